/**
 * Where a message goes: to an activation here, to the shard that activates it, or to the host that has it;
 * what is done with what arrives from other hosts; and with what nobody takes.
 */
import { decode, encode } from './codec.ts'
import type { DeadReason } from './deadletter.ts'
import { fromWire, unfoldBatch, type Outgoing } from './envelope.ts'
import type { Homes } from './home.ts'
import type { Kernel } from './kernel.ts'
import { Letter, type AnyMessage, type Reply, type Signal } from './letter.ts'
import type { Limits } from './limits.ts'
import type { View } from '../ports/directory.ts'
import type { NodePorts } from './node-ports.ts'
import { Outbound } from './outbound.ts'
import { Ownership } from './ownership.ts'
import { refText, type Ref } from './protocol.ts'
import { Protocols } from './protocols.ts'
import type { Subject } from './subject.ts'

/** The role of the hosts that own keyed actors of a type that is not in this host's tree. */
const roleDefault = 'control'

export type DeliveryOptions = {
  readonly host: string
  readonly homes: Homes
  readonly limits: Limits
  readonly ports: NodePorts
  readonly simulateRemote: boolean
}

export class Delivery {
  readonly #options: DeliveryOptions
  readonly #host: string
  readonly #homes: Homes
  readonly #ownership = new Ownership()
  readonly #protocols: Protocols
  readonly #outbound: Outbound
  #kernel: Kernel | undefined
  /** Told before any host could own a key, as by what is found at a start; undefined: one could. */
  #early: Letter[] | undefined = []

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#host = options.host
    this.#homes = options.homes
    const own = [...options.homes.all()].map((home) => home.def.protocol)
    this.#protocols = new Protocols(own)
    this.#outbound = new Outbound({
      clock: options.ports.clock,
      transport: options.ports.transport,
      limits: options.limits,
      versionOf: this.#protocols.versionOf,
      undelivered: (out, reason) => this.#undelivered(out, reason),
      inSlice: () => this.kernel.scheduler.running,
    })
    this.#ownership.setView(options.ports.directory.view())
  }

  get kernel(): Kernel {
    if (this.#kernel === undefined) throw new TypeError('attach comes first')
    return this.#kernel
  }
  get waiting(): number {
    return this.#outbound.waiting
  }

  attach(kernel: Kernel): void {
    this.#kernel = kernel
  }

  /** From now on takes what arrives, and follows the view. */
  open(isOpen: () => boolean): void {
    const { transport, directory } = this.#options.ports
    transport.listen(this.#host, (batch) => {
      if (isOpen()) this.#arrived(batch)
    })
    directory.onChange((view) => {
      if (!isOpen()) return
      this.#ownership.setView(view)
      this.#viewChanged()
      this.#sendEarly(view)
    })
    const view = directory.view()
    this.#ownership.setView(view)
    this.#sendEarly(view)
  }

  flush(): void {
    this.#outbound.flush()
  }
  /** The last that leaves; who still waits for an owner will have none. */
  close(): void {
    for (const letter of this.#early?.splice(0) ?? []) this.bounce(letter, 'no_owner')
    this.flush()
  }
  clear(): void {
    this.#outbound.clear()
    this.#early = undefined
  }
  isUp(host: string): boolean {
    return this.#ownership.isUp(host)
  }

  /** The host an actor is on; undefined when nobody owns its key. */
  locate(ref: Ref<unknown>): string | undefined {
    const role = this.#homes.get(ref.to)?.role
    if (role !== undefined) return this.#ownership.owner(role, ref.to, ref.key)
    return ref.host ?? this.#ownership.owner(roleDefault, ref.to, ref.key)
  }

  /** This host's activation of an actor. */
  find(ref: Ref<unknown>, activate: boolean): Subject | undefined {
    const home = this.#homes.get(ref.to)
    const cell = home?.cells.get(ref.key)
    if (cell !== undefined || !activate) return cell
    return home?.shard?.activate(ref.key)
  }

  post(letter: Letter): void {
    const { ref } = letter
    const home = this.#homes.get(ref.to)
    if (home === undefined) return this.#postAway(letter)
    if (home.role === undefined && ref.host !== undefined && ref.host !== this.#host) {
      return this.#send(ref.host, letter)
    }
    const cell = home.cells.get(ref.key)
    if (cell !== undefined) {
      const here = this.#options.simulateRemote ? this.#carried(letter) : letter
      if (here !== undefined) cell.accept(here)
      return
    }
    if (home.role === undefined) return this.bounce(letter, 'noproc')
    const owner = this.#ownership.owner(home.role, ref.to, ref.key)
    if (owner === undefined) return this.#ownerless(letter)
    if (owner !== this.#host) return this.#send(owner, letter)
    if (home.shard === undefined) return this.bounce(letter, 'stopped')
    const here = this.#options.simulateRemote ? this.#carried(letter) : letter
    if (here !== undefined) home.shard.arrived(here)
  }

  bounce(letter: Letter, reason: DeadReason): void {
    const { ref, message, caller, trace } = letter
    this.kernel.deadLetters.add({ reason, to: refText(ref), type: message.type })
    if (caller === undefined) return
    this.reply({ op: 'reply', caller, failure: { kind: 'nobody', reason }, value: undefined, trace })
  }

  reply(reply: Reply): void {
    if (reply.caller.host !== this.#host) return this.#send(reply.caller.host, reply)
    if (!this.#options.simulateRemote || reply.failure !== undefined) return this.kernel.asks.settle(reply)
    this.kernel.asks.settle({ ...reply, value: carry(reply.value) }, this.#replyFault)
  }

  send(host: string, signal: Signal): void {
    this.#send(host, signal)
  }

  /** Activates a keyed actor for what its record says is due, wherever its key is owned. */
  wake(ref: Ref): void {
    const host = this.locate(ref)
    if (host === this.#host) return void this.find(ref, true)
    if (host === undefined) return
    this.#send(host, {
      op: 'signal',
      kind: 'wake',
      ref,
      id: '',
      from: this.#host,
      incarnation: '',
      reason: '',
    })
  }

  readonly #replyFault = (to: string, type: string, value: unknown): string | undefined =>
    this.#protocols.replyFault(to, type, value)

  /** To a type that is not in this host's tree. */
  #postAway(letter: Letter): void {
    const { ref } = letter
    const host = ref.host ?? this.#ownership.owner(roleDefault, ref.to, ref.key)
    if (host === undefined) return this.#ownerless(letter)
    if (host === this.#host) return this.bounce(letter, 'noproc')
    this.#send(host, letter)
  }

  /** A caller asks again; what is only told would be lost without need. */
  #ownerless(letter: Letter): void {
    const { earlyMax } = this.#options.limits
    if (letter.caller === undefined && this.#early !== undefined && this.#early.length < earlyMax)
      this.#early.push(letter)
    else this.bounce(letter, 'no_owner')
  }

  #sendEarly(view: View): void {
    if (this.#early === undefined || !view.hosts.some(({ roles }) => roles.includes(roleDefault))) return
    const early = this.#early
    this.#early = undefined
    for (const letter of early) this.post(letter)
  }

  #send(host: string, out: Outgoing): void {
    if (out.op === 'letter') {
      if (out.hops > this.#options.limits.hopsMax) return this.bounce(out, 'too_many_hops')
      if (out.caller?.host === this.#host) this.kernel.asks.sentTo(out.caller.id, host)
    }
    this.#outbound.send(host, out)
  }

  #undelivered(out: Outgoing, reason: 'unreachable' | 'too_large' | 'malformed'): void {
    switch (out.op) {
      case 'letter':
        return this.bounce(out, reason)
      case 'reply':
        return this.kernel.deadLetters.add({ reason, to: out.caller.host, type: 'reply' })
      case 'signal':
        // Asserted again; a host that is gone leaves the view.
        return
    }
  }

  /** A local letter as if it had been on the wire. */
  #carried(letter: Letter): Letter | undefined {
    const { ref, caller, trace, hops } = letter
    const message = carry(letter.message)
    if (message === undefined) {
      this.bounce(letter, 'malformed')
      return undefined
    }
    const carried = new Letter(ref, message as AnyMessage, caller, trace, hops)
    return this.#checked(carried) ? carried : undefined
  }

  /** What does not fit its protocol ends here, as a dead letter that does not quote it. */
  #checked(letter: Letter): boolean {
    const { ref, message, caller, trace } = letter
    const fault = this.#protocols.fault(ref.to, message)
    if (fault === undefined) return true
    const { reason, path } = fault
    this.kernel.deadLetters.add({ reason, to: refText(ref), type: message.type, path })
    if (caller !== undefined) {
      this.reply({ op: 'reply', caller, failure: { kind: 'nobody', reason }, value: undefined, trace })
    }
    return false
  }

  #arrived(batch: Uint8Array): void {
    const { deadLetters } = this.kernel
    let raws: unknown
    try {
      raws = decode(batch)
    } catch {
      return deadLetters.add({ reason: 'malformed', to: this.#host, type: 'batch', path: '/' })
    }
    if (!Array.isArray(raws)) {
      return deadLetters.add({ reason: 'malformed', to: this.#host, type: 'batch', path: '/' })
    }
    const nowMs = this.kernel.nowMs()
    unfoldBatch(raws)
    for (const raw of raws as unknown[]) this.#arrivedOne(raw, nowMs)
  }

  #arrivedOne(raw: unknown, nowMs: number): void {
    const arrival = fromWire(raw, this.#host, nowMs)
    switch (arrival.op) {
      case 'letter':
        return this.#arrivedLetter(arrival.letter, arrival.version)
      case 'letters':
        for (const letter of arrival.letters) this.#arrivedLetter(letter, arrival.version)
        return
      case 'reply':
        return this.kernel.asks.settle(arrival, this.#replyFault)
      case 'signal':
        if (arrival.kind === 'wake') return this.#woken(arrival.ref)
        return this.kernel.watches.signal(arrival)
      case 'fault': {
        const { reason, path } = arrival
        return this.kernel.deadLetters.add({ reason, to: this.#host, type: 'envelope', path })
      }
    }
  }

  #arrivedLetter(letter: Letter, version: number): void {
    if (version > this.#protocols.versionOf(letter.ref.to) && this.#homes.get(letter.ref.to) !== undefined) {
      return this.bounce(letter, 'unknown_version')
    }
    if (!this.#checked(letter)) return
    const home = this.#homes.get(letter.ref.to)
    const cell = home?.cells.get(letter.ref.key)
    if (cell === undefined) this.post(letter)
    else cell.accept(letter)
  }

  /** Only by its owner: two hosts with different views must not send it back and forth. */
  #woken(ref: Ref<unknown>): void {
    if (this.locate(ref) === this.#host) this.find(ref, true)
  }

  #viewChanged(): void {
    const { asks, watches, reminders } = this.kernel
    const isUp = (host: string): boolean => this.#ownership.isUp(host)
    asks.hostsGone(isUp)
    watches.hostsChanged()
    for (const home of this.#homes.all()) home.shard?.viewChanged()
    if (this.hasKeyed()) void reminders.scan()
  }

  hasKeyed(): boolean {
    for (const home of this.#homes.all()) if (home.role !== undefined) return true
    return false
  }
}

/** There and back through the codec. Undefined when it cannot: then it does not cross here either. */
const carry = (value: unknown): unknown => {
  try {
    return decode(encode(value))
  } catch {
    return undefined
  }
}
