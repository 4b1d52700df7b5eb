/** `GET /v3/channels/:app/logs?num=`: the kept lines of an app as Logplex gives them, oldest first. */
import { statusHeader, subjectOf } from '../../../src/client/over-nats.ts'
import type { ApiRequests } from './face.ts'
import type { Mount } from './mount.ts'

/** The last lines of an app's log, as frames. */
export type PastLogs = (
  appId: string,
  linesMax: number,
) => Promise<{ readonly count: number; readonly frames: Uint8Array }>

/** By name or id: neither needs an escape. */
const path = /^\/v3\/channels\/([a-z0-9-]+)\/logs$/
const channelInfo = 'channels.info'
const linesDefault = 100
const timeoutMs = 24_000

/** Who may see the channel may see its lines. */
export const channelLogsMount = (requests: ApiRequests, past: PastLogs): Mount => ({
  at(method, pathname) {
    const which = path.exec(pathname)?.[1]
    if (which === undefined || method !== 'GET') return undefined
    return async (req, res) => {
      const call = Buffer.from(JSON.stringify({ params: { app: which } }))
      const headers = { Authorization: req.headers.authorization || 'anonymous' }
      const info = await requests.ask(subjectOf(channelInfo), call, timeoutMs, headers)
      const status = Number(info.header(statusHeader))
      if (status !== 200) {
        res.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(info.bytes)
        return
      }
      const { channel } = JSON.parse(Buffer.from(info.bytes).toString()) as { readonly channel: string }
      const num = new URLSearchParams((req.url ?? '').split('?', 2)[1]).get('num') ?? ''
      const { count, frames } = await past(channel, /^\d{1,6}$/.test(num) ? Number(num) : linesDefault)
      res.writeHead(200, {
        'content-type': 'application/logplex-1',
        'logplex-msg-count': count,
        connection: 'close',
      })
      res.end(frames)
    }
  },
})
