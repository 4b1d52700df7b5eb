/** Sets of IP addresses, given as addresses and ranges: `10.0.0.5`, `10.1.0.0/16`, `2001:db8::/32`. */
import { BlockList, isIP } from 'node:net'

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 4 ? 'ipv4' : 'ipv6')

/** @throws Error when one of them is neither */
export const addressSet = (members: readonly string[]): ((address: string) => boolean) => {
  const list = new BlockList()
  for (const member of members) {
    const [address = '', bits] = member.split('/')
    if (bits === undefined) list.addAddress(address, familyOf(address))
    else list.addSubnet(address, Number(bits), familyOf(address))
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address))
}
