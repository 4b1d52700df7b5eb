/** How a file of zstd begins (RFC 8878 §3.1.1). Pure. */
const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

export const zstdMagicBytes = magic.length

export const isZstd = (head: Uint8Array): boolean => magic.equals(head.subarray(0, magic.length))
