/**
 * Bytes: plain msgpack in and out. The only door to msgpackr.
 *
 * `useRecords: false`: msgpackr's shared structures cannot be read by another process, and plain msgpack can
 * be read by any tool (config/decisions/004-wire.md).
 */
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })

/** The bytes may share a pool: copy what is kept. */
export const encode = (value: unknown): Uint8Array => packr.pack(value)

/** Throws when `bytes` is not exactly one value. */
export const decode = (bytes: Uint8Array): unknown => packr.unpack(bytes)
