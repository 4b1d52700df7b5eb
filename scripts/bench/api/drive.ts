/** Closed loops: so many at once ask, each the next when the last is answered; how long each took. */
import { Agent, request } from 'node:http'

export type Measured = {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  /** Of the process that answers. */
  readonly cpuUsEach: number
}

/** Of the time at the begin: connections are made and actors woken. */
const warmShare = 0.2

/**
 * @param once rejects when it failed, and so does this
 * @param options.most so many are asked, even when there is time left
 */
export const measure = async (
  atOnce: number,
  forMs: number,
  once: (number: number) => Promise<unknown>,
  {
    most = Infinity,
    cpuMs = () => Number.NaN,
  }: { readonly most?: number; readonly cpuMs?: () => number } = {},
): Promise<Measured> => {
  const times: number[] = []
  const cpuBefore = cpuMs()
  const beganMs = performance.now()
  const warmUntil = beganMs + warmShare * forMs
  const endMs = warmUntil + forMs
  let number = 0
  const loop = async (): Promise<void> => {
    for (let at = performance.now(); at < endMs && number < most;) {
      await once(number++)
      const after = performance.now()
      if (at >= warmUntil) times.push(after - at)
      at = after
    }
  }
  await Promise.all(Array.from({ length: atOnce }, loop))
  const elapsedMs = performance.now() - warmUntil
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
  const perSecond = (1_000 * times.length) / elapsedMs
  return { perSecond, p50: at(0.5), p99: at(0.99), cpuUsEach: (1_000 * (cpuMs() - cpuBefore)) / number }
}

export type Ask = {
  readonly method?: 'GET' | 'PATCH' | 'POST'
  readonly path: string
  readonly token: string
  readonly range?: string
  readonly body?: unknown
}

/** Answers of a port; whatever is no success rejects. */
export const asker = (port: number) => {
  const agent = new Agent({ keepAlive: true })
  const ask = ({ method = 'GET', path, token, range, body }: Ask): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        accept: 'application/vnd.heroku+json; version=3',
        'content-type': 'application/json',
        ...(range === undefined ? {} : { range }),
      }
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent }, (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        answer.once('error', reject)
        answer.once('end', () => {
          const status = answer.statusCode ?? 0
          if (status >= 200 && status < 300) resolve(text)
          else reject(new Error(`${method} ${path}: ${status} ${text}`))
        })
      })
      sent.once('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  return { ask, close: () => agent.destroy() }
}
