/**
 * Waking: what the platform adds to an Eco app's own boot, from the first request after its sleep to that
 * request's answer. The app tells how long its own boot took: from its command to its listening.
 */
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { startOwnPlatform, type OwnPlatform } from '../deploy/platform.ts'
import { row, type Row } from '../report.ts'
import { pushOwnApp } from './own-app.ts'

const app = 'sleeper'
const server = `
import http.server, os, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(boot_ms).encode())
listener = http.server.HTTPServer(('0.0.0.0', int(os.environ['PORT'])), Answer)
boot_ms = (time.time() - float(os.environ['BEGAN'])) * 1000
listener.serve_forever()
`
const files = { Procfile: 'web: BEGAN=$EPOCHREALTIME exec python3 server.py\n', 'server.py': server }
/** Its dynos have ended by then: 0.7 s after the routers let go of them. */
const asleepMs = 2_000

export const measureWake = async (rounds: number, log: (line: string) => void): Promise<readonly Row[]> => {
  const platform = await startOwnPlatform()
  try {
    await pushOwnApp(platform, app, files)
    await platform.api('PATCH', `/apps/${app}/formation/web`, { quantity: 1, size: 'Eco' })
    await get(platform)
    const addedMs: number[] = []
    for (let round = 0; round < rounds; round++) {
      await platform.api('POST', `/apps/${app}/dynos/actions/idle`, {})
      await pause(asleepMs)
      const beganMs = performance.now()
      const bootMs = Number(await get(platform))
      const wholeMs = performance.now() - beganMs
      addedMs.push(wholeMs - bootMs)
      log(`answered after ${wholeMs.toFixed(0)} ms, of which the app took ${bootMs.toFixed(0)}`)
    }
    const sorted = addedMs.toSorted((a, b) => a - b)
    const what = "a sleeping app's first answer, without its own boot"
    return [
      row({ what: `${what}: p50`, unit: 'ms', ours: sorted[Math.floor(rounds / 2)]!, goal: '<=300' }),
      row({ what: '  and the worst', unit: 'ms', ours: sorted.at(-1)! }),
    ]
  } finally {
    await platform.dispose()
  }
}

const get = ({ routerPort }: OwnPlatform): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { host: `${app}.localhost` }
    const call = request({ host: '127.0.0.1', port: routerPort, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(text)
        else reject(new Error(`${answer.statusCode}: ${text.slice(0, 200)}`))
      })
    })
    call.once('error', reject)
    call.end()
  })
