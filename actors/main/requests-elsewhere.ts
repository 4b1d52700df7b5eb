/**
 * Logplex's part of the API on a host that has none: asked of control hosts, one after the other until one
 * answers, on behalf of whoever asked here. Nothing of it is done twice by being said twice.
 */
import { statusHeader, subjectOf } from '../../src/client/over-nats.ts'
import type { Peers } from '../../src/peers/client.ts'
import { PeerFailed, PeerRefusal, type Peer } from '../../src/peers/contract.ts'
import { checker, is, type Static } from '../../src/runtime/schema.ts'
import type { ApiRequests } from '../api/face/face.ts'
import { channels } from '../api/resources/channels.ts'

const requestsPath = '/requests'
/** A call between hosts may take 10 s. */
const timeoutMs = 8_000
const subjects = new Set(channels.map(({ name }) => subjectOf(name)))

const bodyShape = is.obj({ subject: is.text(128), call: is.str, authorization: is.text(4_096) })
const answerShape = is.obj({ status: is.str, answer: is.str })
const misfit = { body: checker(bodyShape), answer: checker(answerShape) }

/** @param requests undefined while there is no API here */
export const serveRequests = (
  requests: () => ApiRequests | undefined,
): Readonly<Record<string, (body: unknown, peer: Peer) => Promise<unknown>>> => ({
  [requestsPath]: async (body) => {
    const fault = misfit.body(body)
    if (fault !== undefined) throw new PeerRefusal('bad_request', `${fault.path}: ${fault.want}`)
    const { subject, call, authorization } = body as Static<typeof bodyShape>
    const api = requests()
    if (api === undefined) throw new PeerRefusal('not_here', 'this host serves no API')
    if (!subjects.has(subject)) throw new PeerRefusal('forbidden', `${subject} is not asked so`)
    // Never without: that would be the operator's.
    const headers = { Authorization: authorization === '' ? 'anonymous' : authorization }
    const { bytes, header } = await api.ask(subject, Buffer.from(call), timeoutMs, headers)
    const answer = Buffer.from(bytes).toString()
    return { status: header(statusHeader) ?? '500', answer } satisfies Static<typeof answerShape>
  },
})

/** @param controls names of control hosts, the likeliest first */
export const requestsElsewhere = (
  controls: () => readonly string[],
  peers: Pick<Peers, 'call'>,
): ApiRequests => ({
  async ask(subject, bytes, _, headers) {
    const body = {
      subject,
      call: Buffer.from(bytes).toString(),
      authorization: headers['Authorization'] ?? '',
    }
    let failure: unknown
    for (const host of controls()) {
      try {
        const found = await peers.call(host, requestsPath, body)
        const fault = misfit.answer(found)
        if (fault !== undefined) throw new PeerFailed('peer_broken', `${fault.path}: ${fault.want}`)
        const { status, answer } = found as Static<typeof answerShape>
        return {
          bytes: Buffer.from(answer),
          header: (name) => (name === statusHeader ? status : undefined),
        }
      } catch (error) {
        failure = error
      }
    }
    const options = { cause: failure }
    throw Object.assign(new Error('no control host answers', options), { undone: false })
  },
})
