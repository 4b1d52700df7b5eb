/**
 * Network: one bridge and one firewall table for a state directory, one interface pair for each container.
 *
 * A container reaches the outside and nothing else: not the host by any of its addresses, not another
 * container, not the link-local range where clouds serve machine credentials. Only the host opens connections
 * to a container, and whoever it lets in by a way of its own (ways.ts). The launcher makes the namespace and
 * its pair. They need no cleaning up after a crash: the kernel takes the pair away with the namespace.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

import {
  bridgeName,
  chooseNetwork,
  gatewayOf,
  parseRange,
  toAddress,
  vethPrefix,
  type Identity,
  type Range,
} from './addresses.ts'
import { command } from './command.ts'
import { OciError } from './errors.ts'
import type { Wire } from './launcher.ts'

export type Network = {
  /** Further addresses or ranges that no container may reach; counts from the next `ensure`. */
  deny(addresses: readonly string[]): void
  /** Makes bridge and rules where they are missing or differ; cheap enough to call now and then. */
  ensure(range: Range): Promise<void>
  /** What the launcher makes of it for one container, to be found under `name`. */
  wire(name: string, identity: Identity, range: Range): Wire
  /** Deletes a container's interface at once, rather than when the kernel gets to it. */
  detach(identity: Identity): Promise<void>
  /**
   * Waits for the kernel to take an ended container's interface away with its namespace, but not for long:
   * what the container had sent when it ended, and its clients have not taken yet, still goes out first.
   */
  left(identity: Identity): Promise<void>
  /** Names of the interfaces of this state directory. */
  interfaces(): Promise<string[]>
  detachNamed(name: string): Promise<void>
  teardown(): Promise<void>
}

const leftMsMax = 5_000
const leftPollMs = 5

/** Finds a network for a state directory that no route or address of the machine touches. */
export const findNetwork = async (hash: string): Promise<Range> => {
  const own = bridgeName(hash)
  const routes = parseJson(await command(['ip', '-json', '-4', 'route', 'show', 'table', 'all']))
  const taken = routes
    .filter((route) => route['dev'] !== own && route['dst'] !== 'default')
    .map((route) => parseRange(String(route['dst'])))
  const range = chooseNetwork(hash, taken)
  if (!range) throw new OciError('OCI_NETWORK', 'every network of 10.64.0.0/10 is in use on this machine')
  return range
}

const parseJson = (text: string): Record<string, unknown>[] => {
  const value: unknown = JSON.parse(text || '[]')
  return Array.isArray(value) ? value : []
}

/** The network of the state directory named by `hash`. */
export const openNetwork = (hash: string): Network => {
  const bridge = bridgeName(hash)
  const table = `manifold_${hash}`
  let denied: readonly string[] = []
  let ensured = Promise.resolve()
  const interfaces = async (): Promise<string[]> => {
    const links = parseJson(await command(['ip', '-json', 'link', 'show', 'type', 'veth']))
    return links.map((link) => String(link['ifname'])).filter((name) => name.startsWith(vethPrefix(hash)))
  }
  const detachNamed = async (name: string): Promise<void> => {
    if (!existsSync(`/sys/class/net/${name}`)) return
    try {
      await command(['ip', 'link', 'del', name])
    } catch (error) {
      // The kernel may have been faster.
      if (existsSync(`/sys/class/net/${name}`)) throw error
    }
  }
  const ensureNow = async (range: Range): Promise<void> => {
    const gateway = gatewayOf(range)
    if (!existsSync(`/sys/class/net/${bridge}`)) {
      await command(['ip', '-batch', '-'], `link add ${bridge} type bridge\n`)
    }
    const address = (await readFile(`/sys/class/net/${bridge}/address`, 'utf8')).trim()
    await command(['ip', '-batch', '-'], bridgeBatch(bridge, address, `${gateway}/${range.bits}`))
    await writeFile('/proc/sys/net/ipv4/ip_forward', '1')
    const servers = resolvers(await hostResolvers()).filter((address) => address.includes('.'))
    const relay = servers.every(isLoopback) ? servers[0] : undefined
    if (relay) await writeFile(`/proc/sys/net/ipv4/conf/${bridge}/route_localnet`, '1')
    await command(
      ['nft', '-f', '-'],
      rules({ table, bridge, range, denied, servers: servers.filter((s) => !isLoopback(s)), relay }),
    )
  }
  return {
    deny: (addresses) => void (denied = addresses),
    ensure: (range) => {
      // In order, so that no older table replaces a newer one.
      const ensuring = ensured.then(() => ensureNow(range))
      ensured = ensuring.catch(() => undefined)
      return ensuring
    },
    wire: (name, { veth, address }, range) => ({
      name,
      veth,
      bridge,
      address: `${address}/${range.bits}`,
      gateway: gatewayOf(range),
    }),
    detach: (identity) => detachNamed(identity.veth),
    left: async ({ veth }) => {
      const until = performance.now() + leftMsMax
      while (existsSync(`/sys/class/net/${veth}`) && performance.now() < until) await pause(leftPollMs)
    },
    interfaces,
    detachNamed,
    teardown: async () => {
      await command(['nft', '-f', '-'], `table inet ${table}\ndelete table inet ${table}\n`)
      if (existsSync(`/sys/class/net/${bridge}`)) await command(['ip', 'link', 'del', bridge])
    },
  }
}

/**
 * A bridge that was never given the address it has takes over the lowest one of its ports, anew with each
 * that comes or goes: what containers send to the old one is then lost, until they ask for the gateway again.
 */
const bridgeBatch = (bridge: string, address: string, gateway: string): string =>
  [
    `link set ${bridge} address ${address}`,
    `addr replace ${gateway} dev ${bridge}`,
    `link set ${bridge} up`,
    '',
  ].join('\n')

type Rules = {
  table: string
  bridge: string
  range: Range
  denied: readonly string[]
  /** The host's resolvers outside: on some clouds they are in the link-local range. */
  servers: readonly string[]
  relay: string | undefined
}

/** The whole table, replaced in one transaction: there is no moment without it. */
const rules = ({ table, bridge, range, denied, servers, relay }: Rules): string => {
  const port53 = 'meta l4proto { tcp, udp } th dport 53'
  const question = `iifname "${bridge}" ip daddr ${gatewayOf(range)} ${port53}`
  return `
table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain input {
    type filter hook input priority -10; policy accept;
    iifname != "${bridge}" return
    ct state established,related accept
    ${relay ? `ct status dnat ${port53} accept` : ''}
    drop
  }
  chain forward {
    type filter hook forward priority -10; policy accept;
    oifname "${bridge}" ct state established,related accept
    oifname "${bridge}" ct status dnat accept
    oifname "${bridge}" drop
    iifname != "${bridge}" return
    ct state established,related accept
    meta nfproto ipv6 drop
    ${servers.map((server) => `ip daddr ${server} ${port53} accept`).join('\n    ')}
    ip daddr { 169.254.0.0/16, 127.0.0.0/8 } drop
    ${denied.map((address) => `ip daddr ${address} drop`).join('\n    ')}
  }
  chain resolver {
    type nat hook prerouting priority -100; policy accept;
    ${relay ? `${question} dnat ip to ${relay}` : ''}
  }
  chain outside {
    type nat hook postrouting priority 100; policy accept;
    ip saddr ${toAddress(range.base)}/${range.bits} oifname != "${bridge}" masquerade
  }
}
`
}

const systemdResolvers = '/run/systemd/resolve/resolv.conf'

const resolvers = (text: string): string[] =>
  text.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1'

/**
 * resolv.conf for a container with a network of its own. A resolver on the host's loopback is not there for
 * it: then systemd-resolved's own upstream servers are used, else the bridge passes port 53 on to that
 * resolver.
 */
export const resolverText = async (gateway: string): Promise<string> => {
  const text = await hostResolvers()
  const usable = resolvers(text).some((address) => !isLoopback(address))
  const lines = text.split('\n').filter((line) => {
    const address = /^\s*nameserver\s+(\S+)/.exec(line)?.[1]
    return address === undefined ? line.trim() !== '' : !isLoopback(address)
  })
  return [...lines, ...(usable ? [] : [`nameserver ${gateway}`]), ''].join('\n')
}

const hostResolvers = async (): Promise<string> => {
  const text = await readFile('/etc/resolv.conf', 'utf8')
  const stub = resolvers(text).every(isLoopback) && existsSync(systemdResolvers)
  return stub ? readFile(systemdResolvers, 'utf8') : text
}
