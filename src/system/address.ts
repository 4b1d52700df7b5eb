/**
 * Where other machines reach this one, as far as it can tell by itself.
 */
import { networkInterfaces } from 'node:os'

/** Bridges and pairs that containers hang on: ours and those of others. */
const insideNames = /^(?:mb|mv|docker|br-|veth|virbr|cni|flannel|podman)/

/** The first IPv4 address of a network card; the loopback address when there is none. */
export const ownAddress = (): string => {
  const cards = Object.entries(networkInterfaces()).filter(([name]) => !insideNames.test(name))
  const all = cards.flatMap(([, addresses]) => addresses ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'
}
