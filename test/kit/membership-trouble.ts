/**
 * One seed of trouble for the membership: which kinds, and how much of each, are drawn (swarm testing: Groce
 * et al., ISSTA 2012). When it is over everything must be well again, within a bound.
 */
import { membershipLab } from './membership-lab.ts'

export type Outcome = {
  readonly breaches: readonly string[]
  readonly what: string
  readonly deaths: number
  readonly slackMsMin: number
  /** From the end of all trouble until everybody follows one view in which everybody is up. */
  readonly settledMs: number | undefined
  readonly log: readonly string[]
}

const strikes = 30
const settleMsMax = 12_000

export const trouble = (seed: number): Outcome => {
  const servers = seed % 2 === 0 ? ['n1'] : ['na', 'nb', 'nc']
  const options = { servers, loss: 0, delayMsMax: 1, hints: 1 }
  const lab = membershipLab(seed, options)
  const { random } = lab
  const some = (chance: number): boolean => random.chance(chance)
  const hosts = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, random.between(servers.length, 7))
  const observers = hosts.slice(0, random.between(1, 3))
  const rolesOf = (name: string): string[] => (observers.includes(name) ? ['control'] : ['dyno'])
  for (const name of hosts) lab.start(name, rolesOf(name))
  lab.run(3_000)
  lab.faults({
    loss: some(0.4) ? random.next() * 0.2 : 0,
    delayMsMax: some(0.4) ? random.between(1, 400) : 1,
    hints: random.pick([0, 0.5, 1]),
  })
  const kinds = ['kill', 'freeze', 'link', 'route', 'server'].filter(() => some(0.6))
  const strike = (): void => {
    const name = random.pick(hosts)
    const isUp = lab.names().includes(name)
    switch (random.pick(kinds)) {
      case 'kill':
        if (isUp) lab.kill(name)
        else lab.start(name, rolesOf(name))
        return
      case 'freeze':
        if (!isUp) return
        if (lab.isFrozen(name)) lab.thaw(name)
        else lab.freeze(name)
        return
      case 'link':
        lab.link(name, { out: some(0.4), in: some(0.4) })
        return
      case 'route':
        lab.route(random.pick(servers), random.pick(servers), some(0.6))
        return
      case 'server': {
        const server = random.pick(servers)
        if (lab.serversUp().includes(server) && some(0.6)) lab.killServer(server)
        else lab.startServer(server)
      }
    }
  }
  for (let i = 0; i < strikes; i++) {
    if (kinds.length > 0) strike()
    lab.run(some(0.2) ? random.between(3_000, 25_000) : random.between(10, 2_500))
  }
  lab.faults({ loss: 0, delayMsMax: 1 })
  lab.heal()
  for (const name of hosts) lab.start(name, rolesOf(name))
  const isWell = (): boolean => {
    const views = hosts.map((name) => lab.view(name))
    const first = views[0]!
    const together = views.every(({ number, leader }) => number === first.number && leader === first.leader)
    const allUp = first.members.length === hosts.length && first.members.every(({ state }) => state === 'up')
    return together && allUp && !first.braked && hosts.every((name) => !lab.isFenced(name))
  }
  const settledMs = lab.until(isWell, settleMsMax)
  const breaches = [...lab.breaches]
  if (settledMs === undefined) breaches.push('not well again')
  else {
    lab.run(3_000)
    if (!isWell()) breaches.push('not well for long')
  }
  const counts = `${hosts.length} hosts, ${observers.length} observers, ${servers.length} servers`
  const what = `${counts}: ${kinds.join()} ${JSON.stringify(options)}`
  return { breaches, what, deaths: lab.deaths(), slackMsMin: lab.slackMsMin(), settledMs, log: lab.log }
}
