/**
 * Cluster: what of the operator's requests is too large for a message (backup and restore), and the doctor,
 * who must answer also while the bus is away: handled in this process, not over it.
 *
 *   GET /cluster/backup    PUT /cluster/restore[?force=1]    GET /cluster/doctor
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { tokenOf } from '../accounts/accounts.ts'
import type { Progress } from '../cluster.ts'
import type { Edge } from '../edge.ts'
import { unauthorized } from '../errors.ts'
import { audited } from './audited.ts'
import { refusing, sayJson, type Handler, type Mount } from './mount.ts'

/** @param token the owner's, as this home keeps it: other keys may be good, but cannot be looked up now */
export const clusterMount = (edge: Edge, token: string): Mount => {
  const { cluster, accounts } = edge
  const handlers: Readonly<Record<string, Handler>> = {
    'GET /cluster/doctor': async (_req, res) => sayJson(res, 200, await cluster.doctor()),
    async 'GET /cluster/backup'(req, res) {
      const gone = new AbortController()
      res.once('close', () => gone.abort())
      const lines = cluster.backup(toldTo(edge, req, res), gone.signal)[Symbol.asyncIterator]()
      // The first line says whether the record can be read at all.
      const first = await lines.next()
      res.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
      await pipeline(Readable.from(from(first, lines)), res)
    },
    async 'PUT /cluster/restore'(req, res) {
      const force = new URL(req.url ?? '/', 'http://localhost').searchParams.get('force') === '1'
      const asked = { req, user: accounts.owner(), authorizationId: null, action: 'cluster.restore' }
      const restore = () => cluster.restore(req, force, toldTo(edge, req, res))
      sayJson(res, 200, await audited(edge, asked, restore, () => ({ status: 200 })))
    },
  }
  return {
    at(method, path) {
      const handler = handlers[`${method} ${path}`]
      return handler && ((req, res) => guarded(req, res, token, handler))
    },
  }
}

const guarded = (req: IncomingMessage, res: ServerResponse, token: string, handler: Handler): Promise<void> =>
  refusing(res, () => {
    if (!same(tokenOf(req.headers.authorization ?? '') ?? '', token)) throw unauthorized()
    return handler(req, res)
  })

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
const same = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other))

async function* from(first: IteratorResult<string, unknown>, rest: AsyncIterator<string>) {
  try {
    for (let step = first; step.done !== true; step = await rest.next()) yield step.value
  } finally {
    await rest.return?.()
  }
}

const progressHeader = 'manifold-progress'
const tellEveryMs = 1_000

/** How far it is, as interim answers to who asks for them: the answer itself may take an hour. */
const toldTo = ({ now }: Pick<Edge, 'now'>, req: IncomingMessage, res: ServerResponse): Progress => {
  if (req.headers[progressHeader] === undefined) return () => undefined
  let toldMs = -Infinity
  return (done, total) => {
    const nowMs = now()
    if (Math.abs(nowMs - toldMs) < tellEveryMs || res.headersSent || res.destroyed) return
    toldMs = nowMs
    res.writeInformation(102, { [progressHeader]: `${done}/${total}` })
  }
}
