/**
 * What a quiet app's clients feel while a hostile app runs on the same host: response times through the
 * router, alone and beside each kind of hostility.
 */
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { startOwnPlatform, type OwnPlatform } from '../deploy/platform.ts'
import { row, type Row } from '../report.ts'
import { pushOwnApp, scaleTo } from './own-app.ts'

/** One process, one request at a time: the least that answers with what the stack has. */
const server = `import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Hello(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    wbufsize = -1
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '3')
        self.end_headers()
        self.wfile.write(b'ok\\n')
    def log_message(self, *args):
        pass
ThreadingHTTPServer(('', int(os.environ['PORT'])), Hello).serve_forever()
`

/** As many as it may, and then again. */
const hoard = 'while (open($one, "<", "/dev/null")) { push @all, $one; undef $one }'

/** Each is a process type of the hostile app. */
const hostilities = {
  hog: { what: 'a CPU hog on every core', command: 'for i in 1 2 3 4; do while :; do :; done & done; wait' },
  forks: { what: 'a fork bomb', command: 'bomb() { bomb | bomb & }; bomb; sleep 86400' },
  flood: { what: 'a log flood', command: 'exec yes "a line of a process that never stops to talk"' },
  memory: {
    what: 'a memory bomb',
    command: `while :; do perl -e '$all .= "a" x 1048576 while 1'; done`,
  },
  disk: { what: 'a disk filler', command: 'while :; do cat /dev/zero >/tmp/all; rm /tmp/all; done' },
  files: {
    what: 'hoarders of open files',
    command: `for n in 1 2 3 4 5 6 7 8; do while :; do perl -e '${hoard}'; done & done; wait`,
  },
} as const

const everyMs = 10
const startMsMax = 60_000
const answerMsMax = 30_000

export const measureNeighbours = async (
  measureMs: number,
  log: (line: string) => void,
): Promise<readonly Row[]> => {
  const platform = await startOwnPlatform()
  try {
    await pushOwnApp(platform, 'quiet', { Procfile: 'web: exec python3 web.py\n', 'web.py': server })
    await scaleTo(platform, 'quiet', 'web', 1, startMsMax)
    const lines = Object.entries(hostilities).map(([type, { command }]) => `${type}: ${command}\n`)
    await pushOwnApp(platform, 'hostile', { Procfile: lines.join('') })
    await respond(platform, measureMs / 2)
    const alone = await respond(platform, measureMs)
    log(`alone: ${shown(alone)}`)
    const rows: Row[] = []
    for (const [type, { what }] of Object.entries(hostilities)) {
      await scaleTo(platform, 'hostile', type, 1, startMsMax)
      const beside = await respond(platform, measureMs)
      log(`beside ${what}: ${shown(beside)}`)
      await scaleTo(platform, 'hostile', type, 0, startMsMax)
      rows.push(
        row({
          what: `p99 of a quiet app's requests beside ${what}`,
          unit: 'ms',
          ours: at(beside, 0.99),
          peers: { alone: at(alone, 0.99) },
        }),
      )
    }
    return rows
  } finally {
    await platform.dispose()
  }
}

/** Sorted response times of requests sent at a steady pace, whatever became of those before. */
const respond = async (platform: OwnPlatform, forMs: number): Promise<readonly number[]> => {
  const agent = new Agent({ keepAlive: true })
  const beganMs = performance.now()
  const asked: Promise<number>[] = []
  while (performance.now() - beganMs < forMs) {
    const next = once(platform, agent)
    next.catch(() => undefined)
    asked.push(next)
    await pause(Math.max(0, beganMs + asked.length * everyMs - performance.now()))
  }
  const times = await Promise.all(asked)
  agent.destroy()
  return times.toSorted((a, b) => a - b)
}

const once = ({ routerPort }: OwnPlatform, agent: Agent): Promise<number> =>
  new Promise((resolve, reject) => {
    const beganMs = performance.now()
    const headers = { host: 'quiet.localhost' }
    const call = request({ host: '127.0.0.1', port: routerPort, headers, agent, timeout: answerMsMax })
    call.once('response', (answer) => {
      answer.resume()
      answer.once('end', () => {
        if (answer.statusCode === 200) resolve(performance.now() - beganMs)
        else reject(new Error(`the quiet app answered ${answer.statusCode}`))
      })
    })
    call.once('timeout', () => call.destroy(new Error('the quiet app does not answer')))
    call.once('error', reject)
    call.end()
  })

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
const shown = (sorted: readonly number[]): string =>
  `p50 ${at(sorted, 0.5).toFixed(1)} ms, p99 ${at(sorted, 0.99).toFixed(1)} ms of ${sorted.length}`
