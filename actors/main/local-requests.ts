/**
 * The API's own requests, answered by the host that was asked: what it keeps for its clients (log sessions,
 * clients waiting to be attached, output of builds) is here and nowhere else. Requests over the bus may be
 * answered by any host; those of the HTTP face must not be.
 */
import type { Clock } from '../../src/ports/clock.ts'
import type { ApiRequests } from '../api/face/face.ts'
import type { ServiceEndpoint } from '../api/service.ts'

export type LocalRequests = ApiRequests & {
  /** What there is to ask. */
  serve(endpoints: readonly ServiceEndpoint[]): void
}

const inFlightMax = 2_000

/** `undone`: it is certain that nothing was done. */
class LocalRequestFailed extends Error {
  override readonly name = 'LocalRequestFailed'
  readonly undone: boolean
  constructor(message: string, undone: boolean) {
    super(message)
    this.undone = undone
  }
}

export const localRequests = (clock: Clock): LocalRequests => {
  const known = new Map<string, ServiceEndpoint>()
  let inFlight = 0
  return {
    serve: (endpoints) => {
      for (const endpoint of endpoints) known.set(endpoint.subject, endpoint)
    },
    ask: async (subject, bytes, timeoutMs, headers) => {
      const endpoint = known.get(subject)
      if (endpoint === undefined) throw new LocalRequestFailed(`nobody serves ${subject}`, true)
      if (inFlight >= inFlightMax) throw new LocalRequestFailed('too many requests are in flight', true)
      const late = Promise.withResolvers<never>()
      const timer = clock.after(timeoutMs, () =>
        late.reject(new LocalRequestFailed(`${subject} took ${timeoutMs} ms`, false)),
      )
      inFlight++
      const handled = endpoint.handle(bytes, (name) => headers[name])
      const settled = (): void => void inFlight--
      handled.then(settled, settled)
      try {
        const answer = await Promise.race([handled, late.promise])
        return { bytes: answer.bytes, header: (name) => answer.headers[name] }
      } finally {
        timer.cancel()
      }
    },
  }
}
