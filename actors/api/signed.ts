/**
 * Signed addresses: who has one may put or get the one object that it names, with that method alone, until it
 * is over; without credentials, for it is given to `curl` and to builds. Any control host knows them, for all
 * have the key.
 *
 *   <api>/sources/<object>.tgz?until=<ms since 1970>&signature=<base64url>
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export type SignedMethod = 'GET' | 'PUT'

export type SignedAddresses = {
  /** @param path of the object: `/sources/…`. @param untilMs wall clock */
  readonly make: (method: SignedMethod, path: string, untilMs: number) => string
  /**
   * Whether the address (with or without a host before its path) was made here for that method, and is good
   * still.
   */
  readonly holds: (method: SignedMethod, address: string) => boolean
}

/** @param keys the first signs; what any of them signed holds */
export const signedAddresses = (
  keys: () => readonly Uint8Array[],
  apiUrl: string,
  now: () => number,
): SignedAddresses => {
  const sign = (method: string, path: string, until: string): readonly Buffer[] =>
    keys().map((key) => createHmac('sha256', key).update(`${method}\0${path}\0${until}`).digest())
  return {
    make: (method, path, untilMs) => {
      const until = String(Math.floor(untilMs))
      const signature = sign(method, path, until)[0]?.toString('base64url') ?? ''
      return `${apiUrl}${path}?until=${until}&signature=${signature}`
    },
    holds: (method, address) => {
      if (!URL.canParse(address, apiUrl)) return false
      const { pathname, searchParams } = new URL(address, apiUrl)
      const until = searchParams.get('until') ?? ''
      const given = Buffer.from(searchParams.get('signature') ?? '', 'base64url')
      const isSigned = sign(method, pathname, until).some(
        (right) => given.length === right.length && timingSafeEqual(given, right),
      )
      return isSigned && now() < Number(until)
    },
  }
}
