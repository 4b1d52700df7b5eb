/**
 * One POST to a receiver on a connection of its own: within the bounds of a drain's connection, verified like
 * it, and no redirect is followed.
 */
import type { DrainAddress } from './drain-url.ts'
import { openHttpLink } from './http-link.ts'
import { sinkLimitsByDefault } from './limits.ts'
import type { Failure, SinkDeps } from './link.ts'

export type Posted = { readonly kind: 'answered'; readonly status: number } | Failure

/** @param headersOf name, value, name, value; of what the address has to say about who sends */
export const postOnce = async (
  address: DrainAddress,
  deps: SinkDeps,
  headersOf: (authorization: string | undefined) => readonly string[],
  body: Uint8Array,
): Promise<Posted> => {
  const limits = { ...sinkLimitsByDefault, ...deps.limits }
  let status: number | undefined
  const link = await openHttpLink(
    { ...deps, address, limits },
    {
      request: (_messages, _frame, authorization) =>
        Promise.resolve({ headers: headersOf(authorization), body }),
      outcome: (answer) => {
        status = answer.status
        return { kind: 'delivered' }
      },
    },
  )
  if ('kind' in link) return link
  try {
    const outcome = await link.send([], { id: '', token: '' })
    if (status !== undefined) return { kind: 'answered', status }
    return outcome.kind === 'failed' ? outcome : { kind: 'failed', reason: 'no answer', connected: true }
  } finally {
    await link.close()
  }
}
