/** The hosts of a scenario as one cluster: the first one starts it, the others join by its invites. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Host as HostBody } from '../../../../src/client/answers/host.ts'
import type { HostSpec } from '../../language.ts'
import { hostOn, type Host } from './host.ts'
import type { Lab } from './lab.ts'

export type Cluster = {
  readonly names: readonly string[]
  readonly host: (name: string) => Host
  /** Hosts that may have a bus server. */
  readonly control: readonly string[]
}

const serversWanted = 3
const joinedMsMax = 120_000
const grownMsMax = 120_000
const pollMs = 100
const lookMs = 5_000

export const namesOf = (specs: readonly HostSpec[]): readonly string[] => specs.map((_, at) => `h${at + 1}`)

/** Resolves when every host is up in the view, and the bus has as many servers as it wants. */
export const startCluster = async (
  lab: Lab,
  specs: readonly HostSpec[],
  log: (line: string) => void,
): Promise<Cluster> => {
  const names = namesOf(specs)
  const [first = '', ...others] = names
  const hosts = new Map(
    specs.map(({ zone, roles }, at) => {
      const name = names[at] ?? ''
      const labels = zone === undefined ? '' : `zone=${zone}`
      return [name, hostOn(lab, name, { labels, roles, founder: first })]
    }),
  )
  const host = (name: string): Host => {
    const found = hosts.get(name)
    if (found === undefined) throw new RangeError(`there is no host ${name}`)
    return found
  }
  await host(first).start()
  log(`${first} is up`)
  const join = (some: readonly string[]): Promise<unknown> =>
    Promise.all(
      some.map(async (name) => {
        const url = await invite(host(first))
        await host(name).start({ MANIFOLD_JOIN: url })
        log(`${name} has joined`)
      }),
    )
  const control = names.filter((_, at) => specs[at]?.roles?.includes('control') !== false)
  await join(others.filter((name) => control.includes(name)))
  if (control.length >= serversWanted) {
    const servers = (): number => control.filter((name) => isClustered(lab, host(name))).length
    await within(grownMsMax, 'three bus servers', () => Promise.resolve(servers() >= serversWanted))
    log('the bus has three servers')
  }
  // What has no part in that need not start in the middle of it.
  await join(others.filter((name) => !control.includes(name)))
  await within(joinedMsMax, 'all hosts to be up', async () => {
    const rows = await hostsOf(host(first))
    return names.every((name) => rows?.some((row) => row.name === name && row.state === 'up') === true)
  })
  return { names, host, control }
}

const invite = async (host: Host): Promise<string> => (await host.api().call('hosts.invite')).url

/** As one host sees them; undefined when it does not say now. */
export const hostsOf = async (host: Host): Promise<readonly HostBody[] | undefined> =>
  host
    .api(lookMs)
    .call('hosts.list')
    .catch(() => undefined)

const isClustered = (lab: Lab, host: Host): boolean => {
  const file = join(lab.seen(host.home), 'nats/mode.json')
  if (!existsSync(file)) return false
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly kind?: string }).kind === 'clustered'
}

export const within = async (ms: number, what: string, holds: () => Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${ms} ms in vain for ${what}`)
    await pause(pollMs)
  }
}
