/**
 * The fleet as placement sees it: which hosts there are, what runs on them by their own announcements, and
 * what was promised since. It holds no truth: losing it costs the time until the hosts have announced
 * themselves.
 *
 * Changed in place, for there may be a quarter of a million runs in it: its actor keeps nothing durable,
 * and one that fails starts with an empty fleet.
 */
import { hasLabels, type Labels } from '../../config/labels.ts'
import type { Announcement, FleetMember, FleetRun, FleetView } from '../protocols/shapes.ts'
import { Shelf } from './shelf.ts'

/** `promisedAt`: 0 once its host has announced it. */
export type Row = FleetRun & { readonly promisedAt: number }
/** What a run asks of its host. */
export type Needs = { readonly bytes: number; readonly labels?: Labels | undefined }
export type Absence = 'suspect' | 'dead'
export type Machine = {
  readonly name: string
  zone: string
  labels: Labels
  state: FleetMember['state']
  since: number
  seq: number
  memoryBytes: number
  reservedBytes: number
  /** Rows that are no mere promises. */
  announced: number
  load: number
  announcedAt: number
  /** Asked for a full announcement at; 0: not since the last one. */
  askedAt: number
  readonly rows: Map<string, Row>
}

const none: ReadonlyMap<string, string> = new Map()
/** A promise that its host has not announced by then is forgotten. */
const promisedKeptMs = 30_000
/** Announcements of a host's earlier life are not on their way for longer. */
const staleMs = 15_000

export class Fleet {
  readonly #machines = new Map<string, Machine>()
  readonly #zones = new Map<string, Shelf>()
  readonly #promised = new Map<string, { readonly host: string; readonly at: number }>()
  /** Of those, what no host has announced yet: host by run id, by process type. */
  readonly #open = new Map<string, Map<string, string>>()
  /** Lives of each singleton slot: host by run id. */
  readonly #singletons = new Map<string, Map<string, string>>()

  machine(name: string): Machine | undefined {
    return this.#machines.get(name)
  }
  machines(): IterableIterator<Machine> {
    return this.#machines.values()
  }
  zones(): ReadonlyMap<string, Shelf> {
    return this.#zones
  }
  /** Where a run was promised to go, lately. */
  promised(runId: string): string | undefined {
    return this.#promised.get(runId)?.host
  }
  /** Where runs of that type were promised to go and no host has announced yet: host by run id. */
  openOf(kind: string): ReadonlyMap<string, string> {
    return this.#open.get(kind) ?? none
  }
  /** Hosts that hold a life of a singleton slot, except that run's. */
  livesOf(slot: string, but: string): readonly string[] {
    return [...(this.#singletons.get(slot) ?? [])].flatMap(([runId, host]) => (runId === but ? [] : [host]))
  }

  /** @returns hosts that may take runs and could not before */
  setView(view: FleetView): readonly string[] {
    const fresh: string[] = []
    const dynoHosts = view.members.filter((member) => member.roles.includes('dyno'))
    const named = new Set(dynoHosts.map((member) => member.name))
    for (const { name, state, labels } of dynoHosts) {
      const machine = this.#machines.get(name) ?? this.#add(name)
      const before = this.takes(machine)
      this.#zones.get(machine.zone)?.remove(name)
      machine.state = state
      machine.zone = labels['zone'] ?? ''
      machine.labels = labels
      this.#shelve(machine)
      if (!before && this.takes(machine)) fresh.push(name)
    }
    for (const machine of this.#machines.values()) {
      if (named.has(machine.name)) continue
      machine.state = 'left'
      this.#shelve(machine)
      if (machine.rows.size === 0) this.#machines.delete(machine.name)
    }
    return fresh
  }

  /** Whether new runs may go there. */
  takes(machine: Machine): boolean {
    return machine.state === 'up' && machine.seq > 0
  }
  /** Whether a machine has room for such a run, and is as it has to be. */
  fits(name: string, { bytes, labels }: Needs): boolean {
    const machine = this.#machines.get(name)
    return machine !== undefined && this.freeOf(name) >= bytes && hasLabels(machine.labels, labels)
  }
  freeOf(name: string): number {
    const machine = this.#machines.get(name)
    return machine === undefined ? 0 : machine.memoryBytes - machine.reservedBytes
  }

  /**
   * @returns whether it was understood; if not, a full one is needed. `freed`: there is more room than before
   */
  announce(a: Announcement, now: number): { readonly understood: boolean; readonly freed: boolean } {
    const machine = this.#machines.get(a.host) ?? this.#add(a.host)
    // A clock that went back makes a later life look like an earlier one: not for long.
    const lived = now - machine.announcedAt < staleMs
    const stale = (a.since < machine.since && lived) || (a.since === machine.since && a.seq <= machine.seq)
    if (stale) return { understood: true, freed: false }
    if (!a.full && (a.since !== machine.since || a.seq !== machine.seq + 1))
      return { understood: false, freed: false }
    const freeBefore = this.takes(machine) ? machine.memoryBytes - machine.reservedBytes : 0
    machine.since = a.since
    machine.seq = a.seq
    machine.memoryBytes = a.memoryBytes
    machine.load = a.load
    machine.announcedAt = now
    if (a.full) this.#keepOnly(machine, new Set(a.runs.map((run) => run.id)))
    for (const id of a.gone) this.drop(machine, id)
    for (const run of a.runs) this.#put(machine, { ...run, promisedAt: 0 })
    if (a.full) machine.askedAt = 0
    this.#shelve(machine)
    const freed = this.takes(machine) && machine.memoryBytes - machine.reservedBytes > freeBefore
    return { understood: machine.announced === a.count, freed }
  }

  /** Room on that host is kept for a run until the host announces it, or does not. */
  promise(host: string, run: FleetRun, now: number): void {
    const machine = this.#machines.get(host)
    if (machine === undefined || machine.rows.has(run.id)) return
    this.#put(machine, { ...run, promisedAt: now })
    this.#promised.delete(run.id)
    this.#promised.set(run.id, { host, at: now })
    const kind = kindOf(run)
    this.#open.set(kind, (this.#open.get(kind) ?? new Map<string, string>()).set(run.id, host))
    this.#shelve(machine)
  }

  /**
   * What the record has on a host that has not spoken yet; a host that has is the truth.
   * @param state as the view has it
   */
  recall(host: string, run: FleetRun, state: FleetMember['state']): void {
    const machine = this.#machines.get(host) ?? this.#add(host)
    if (machine.seq > 0) return
    machine.state = state
    this.#put(machine, { ...run, promisedAt: 0 })
  }

  /** Forgets promises that came to nothing. */
  expire(now: number): void {
    // Those made first come first.
    for (const [runId, { host, at }] of this.#promised) {
      if (now - at < promisedKeptMs) break
      this.#promised.delete(runId)
      const machine = this.#machines.get(host)
      if (machine === undefined || machine.rows.get(runId)?.promisedAt === 0) continue
      this.drop(machine, runId)
      this.#shelve(machine)
    }
  }

  /** That run is not there any more. */
  drop(machine: Machine, runId: string): void {
    const row = machine.rows.get(runId)
    if (row === undefined) return
    machine.rows.delete(runId)
    machine.reservedBytes -= row.bytes
    if (row.promisedAt === 0) machine.announced -= 1
    else this.#close(row)
    if (!row.singleton) return
    const slot = slotOf(row)
    const lives = this.#singletons.get(slot)
    lives?.delete(runId)
    if (lives?.size === 0) this.#singletons.delete(slot)
  }

  #put(machine: Machine, row: Row): void {
    const before = machine.rows.get(row.id)
    machine.rows.set(row.id, row)
    machine.reservedBytes += row.bytes - (before?.bytes ?? 0)
    if (row.promisedAt === 0) machine.announced += 1
    if (before?.promisedAt === 0) machine.announced -= 1
    else if (before !== undefined && row.promisedAt === 0) this.#close(before)
    if (!row.singleton) return
    const slot = slotOf(row)
    const lives = this.#singletons.get(slot) ?? new Map<string, string>()
    this.#singletons.set(slot, lives.set(row.id, machine.name))
  }

  #close(row: FleetRun): void {
    const kind = kindOf(row)
    const open = this.#open.get(kind)
    open?.delete(row.id)
    if (open?.size === 0) this.#open.delete(kind)
  }

  /** A promise is younger than what a full announcement says: it stays. */
  #keepOnly(machine: Machine, ids: ReadonlySet<string>): void {
    for (const row of machine.rows.values()) {
      if (!ids.has(row.id) && row.promisedAt === 0) this.drop(machine, row.id)
    }
  }

  #shelve(machine: Machine): void {
    const shelf = this.#zones.get(machine.zone) ?? new Shelf()
    if (this.takes(machine)) shelf.put(machine.name, machine.memoryBytes - machine.reservedBytes)
    else shelf.remove(machine.name)
    if (shelf.size === 0) this.#zones.delete(machine.zone)
    else this.#zones.set(machine.zone, shelf)
  }

  #add(name: string): Machine {
    const machine: Machine = {
      name,
      zone: '',
      labels: {},
      // Until a view says otherwise.
      state: 'joining',
      since: 0,
      seq: 0,
      memoryBytes: 0,
      reservedBytes: 0,
      announced: 0,
      load: 0,
      announcedAt: 0,
      askedAt: 0,
      rows: new Map(),
    }
    this.#machines.set(name, machine)
    return machine
  }
}

export const slotOf = ({ appId, name }: Pick<FleetRun, 'appId' | 'name'>): string => `${appId}/${name}`
/** `<app>/<type>` */
export const kindOf = ({ appId, name }: Pick<FleetRun, 'appId' | 'name'>): string =>
  `${appId}/${name.slice(0, name.lastIndexOf('.'))}`
