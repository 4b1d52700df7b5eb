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

export const signedAddresses = (key: Uint8Array, apiUrl: string, now: () => number): SignedAddresses => {
  const sign = (method: string, path: string, until: string): Buffer =>
    createHmac('sha256', key).update(`${method}\0${path}\0${until}`).digest()
  return {
    make: (method, path, untilMs) => {
      const until = String(Math.floor(untilMs))
      const signature = sign(method, path, until).toString('base64url')
      return `${apiUrl}${path}?until=${until}&signature=${signature}`
    },
    holds: (method, address) => {
      if (!URL.canParse(address, apiUrl)) return false
      const { pathname, searchParams } = new URL(address, apiUrl)
      const until = searchParams.get('until') ?? ''
      const given = Buffer.from(searchParams.get('signature') ?? '', 'base64url')
      const right = sign(method, pathname, until)
      return given.length === right.length && timingSafeEqual(given, right) && now() < Number(until)
    },
  }
}
