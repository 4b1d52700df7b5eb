/**
 * Session affinity: a cookie says which targets have answered a client before, newest first, and the next
 * request goes to the first of them that is there (Heroku "Session Affinity"; the cookie's name is theirs).
 *
 * The value is signed, not secret: `<base64url of JSON [epoch seconds, ids]>.<base64url of an HMAC-SHA256>`.
 * One that was made up, is of another app or is too old counts for nothing. Pure.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { HeadParser } from '../http1/head-parser.ts'
import { headerValues } from '../http1/header-values.ts'

/** Of one app. */
export type Affinity = { readonly key: Uint8Array }

const header = Buffer.from('cookie')
const cookieName = 'heroku-session-affinity'
const maxAgeS = 86_400
const idsMax = 4
const valueCharsMax = 1024
/** A client may have several by that name, from other paths and domains. */
const candidatesMax = 4

/** What one client's cookies say, and what it is to be told. */
export class Preference {
  /** Targets by preference; none when there is no valid cookie. */
  readonly ids: readonly string[]
  readonly #affinity: Affinity
  readonly #epochS: number
  readonly #isOld: boolean

  /** @param cookies values of Cookie headers */
  constructor(affinity: Affinity, cookies: readonly string[], epochMs: number) {
    this.#affinity = affinity
    this.#epochS = Math.floor(epochMs / 1000)
    const found = candidates(cookies).flatMap((value) => this.#read(value) ?? [])[0]
    this.ids = found?.ids ?? []
    this.#isOld = found === undefined || this.#epochS - found.atS > maxAgeS / 2
  }

  /** A `Set-Cookie` line for a client that was answered by this target; empty when its cookie says so. */
  lineFor(target: string, secure: boolean): string {
    if (this.ids[0] === target && !this.#isOld) return ''
    const ids = [target, ...this.ids.filter((id) => id !== target)].slice(0, idsMax)
    const text = Buffer.from(JSON.stringify([this.#epochS, ids])).toString('base64url')
    const value = `${text}.${this.#sign(text).toString('base64url')}`
    const expires = new Date((this.#epochS + maxAgeS) * 1000).toUTCString()
    const only = secure ? 'HttpOnly; Secure' : 'HttpOnly'
    const life = `Version=1; Expires=${expires}; Max-Age=${maxAgeS}`
    return `Set-Cookie: ${cookieName}=${value}; ${life}; Path=/; ${only}\r\n`
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#affinity.key).update(text).digest()
  }

  #read(value: string): { readonly atS: number; readonly ids: readonly string[] } | undefined {
    const [text = '', mac = '', ...rest] = value.split('.')
    const given = Buffer.from(mac, 'base64url')
    const own = this.#sign(text)
    if (rest.length > 0 || given.length !== own.length || !timingSafeEqual(given, own)) return undefined
    // What carries our signature has our shape.
    const [atS, ids] = JSON.parse(Buffer.from(text, 'base64url').toString()) as [number, string[]]
    return this.#epochS - atS > maxAgeS ? undefined : { atS, ids }
  }
}

/** What the client of this request prefers; null where the app wants no affinity. */
export const preferenceOf = (
  affinity: Affinity | undefined,
  parser: HeadParser,
  epochMs: number,
): Preference | null =>
  affinity === undefined ? null : new Preference(affinity, headerValues(parser, header), epochMs)

function candidates(cookies: readonly string[]): readonly string[] {
  const values: string[] = []
  for (const cookie of cookies.flatMap((line) => line.split(';'))) {
    const [name = '', value = ''] = cookie.trim().split('=', 2)
    if (name === cookieName && value.length <= valueCharsMax) values.push(value)
  }
  return values.slice(0, candidatesMax)
}
