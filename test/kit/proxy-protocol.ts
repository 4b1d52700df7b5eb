/** Headers of the PROXY protocol, as a load balancer writes them, or wrong on purpose. */

/** Version 1: a line behind its first word. */
export const text = (rest: string): Buffer => Buffer.from(`PROXY ${rest}\r\n`, 'latin1')

type Binary = { readonly command?: number; readonly family: number; readonly more?: Buffer } & (
  | { readonly raw: Buffer }
  | {
      readonly source: readonly number[]
      readonly target: readonly number[]
      readonly from: number
      readonly to: number
    }
)

/** Version 2. `more` comes behind the addresses, `raw` in their place. */
export const binary = (of: Binary): Buffer => {
  const { command = 0x21, family, more = Buffer.alloc(0) } = of
  const ports = Buffer.alloc(4)
  if (!('raw' in of)) {
    ports.writeUInt16BE(of.from, 0)
    ports.writeUInt16BE(of.to, 2)
  }
  const addresses = 'raw' in of ? of.raw : Buffer.concat([Buffer.from([...of.source, ...of.target]), ports])
  const rest = Buffer.concat([addresses, more])
  const fixed = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1')
  fixed.writeUInt8(command, 12)
  fixed.writeUInt8(family, 13)
  fixed.writeUInt16BE(rest.length, 14)
  return Buffer.concat([fixed, rest])
}
