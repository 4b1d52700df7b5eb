/**
 * Watches: exactly one `down` for each, local or remote.
 *
 * A watch is of one activation: its end (stop, crash, moved to another host) is the down; `noproc` when there
 * was none. Between hosts the watch is asserted again and again until its down has arrived, so a lost signal
 * is healed; the target answers `noproc` for an activation it does not have (any more). A host that left the
 * view: `host_down`.
 *
 *   out   watches of this node's actors, by id; an actor watches another at most once at a time
 *   in    who watches this node's actors; each entry dies with the target, by unwatch, or when no longer
 *   asserted
 */
import type { Clock, Timer } from '../ports/clock.ts'
import type { Signal } from './letter.ts'
import type { Limits } from './limits.ts'
import { refText, type Ref } from './protocol.ts'
import type { Subject } from './subject.ts'

export type WatchPorts = {
  readonly host: string
  readonly life: string
  readonly clock: Clock
  readonly limits: Limits
  /** Where an actor is now: its host, or undefined when nobody owns its key. */
  readonly locate: (ref: Ref<unknown>) => string | undefined
  readonly isUp: (host: string) => boolean
  /** This host's activation; a keyed actor that it owns is activated when `activate`. */
  readonly find: (ref: Ref<unknown>, activate: boolean) => Subject | undefined
  readonly send: (host: string, signal: Signal) => void
}

type Out = {
  readonly id: string
  readonly subject: Subject
  readonly ref: Ref<unknown>
  /** The target's host, once it is known. */
  host: string | undefined
  incarnation: string
  /** The down is in the watcher's mailbox. */
  fired: boolean
}
type In = { readonly id: string; readonly host: string; readonly ref: Ref<unknown>; seenMs: number }

export class Watches {
  readonly #ports: WatchPorts
  readonly #out = new Map<string, Out>()
  readonly #bySubject = new Map<Subject, Map<string, Out>>()
  readonly #in = new Map<Subject, Map<string, In>>()
  #count = 0
  #timer: Timer | undefined

  constructor(ports: WatchPorts) {
    this.#ports = ports
  }

  watch(subject: Subject, ref: Ref<unknown>): void {
    const mine = this.#bySubject.get(subject) ?? new Map<string, Out>()
    this.#bySubject.set(subject, mine)
    const text = refText(ref)
    if (mine.has(text)) return
    this.#count += 1
    const id = `${this.#ports.life}.${this.#count.toString(36)}`
    const out: Out = { id, subject, ref, host: ref.host, incarnation: '', fired: false }
    this.#out.set(id, out)
    mine.set(text, out)
    if (mine.size > this.#ports.limits.watchesMax) return this.#fire(out, 'too_many_watches')
    this.#assert(out)
    if (!out.fired && out.host !== this.#ports.host) this.#arm()
  }

  unwatch(subject: Subject, ref: Ref<unknown>): void {
    const out = this.#bySubject.get(subject)?.get(refText(ref))
    if (out !== undefined) this.#drop(out)
  }

  /** The watcher is about to handle a down. @returns false when it no longer watches */
  take(id: string): boolean {
    const out = this.#out.get(id)
    if (out === undefined) return false
    this.#forget(out)
    return true
  }

  /** Watched by somebody, or watching: such an actor is not passivated. */
  involves(subject: Subject): boolean {
    return (this.#in.get(subject)?.size ?? 0) > 0 || (this.#bySubject.get(subject)?.size ?? 0) > 0
  }

  /** An activation is over: who watched it gets to know, and its own watches end. */
  ended(subject: Subject, reason: string): void {
    const watchers = this.#in.get(subject)
    this.#in.delete(subject)
    for (const watcher of watchers?.values() ?? []) {
      this.#down(watcher, reason, subject.incarnation)
    }
    const mine = this.#bySubject.get(subject)
    for (const out of mine?.values() ?? []) this.#drop(out)
  }

  /** From another host. */
  signal(signal: Signal): void {
    const out = this.#out.get(signal.id)
    switch (signal.kind) {
      case 'watch':
        return this.#watched(signal)
      case 'unwatch': {
        const target = this.#ports.find(signal.ref, false)
        if (target !== undefined) this.#in.get(target)?.delete(signal.id)
        return
      }
      case 'watching':
        if (out === undefined) return this.#send(signal.from, 'unwatch', signal, signal.incarnation, '')
        if (out.incarnation !== '' && out.incarnation !== signal.incarnation) return this.#fire(out, 'noproc')
        out.incarnation = signal.incarnation
        out.host = signal.from
        return
      case 'down':
        if (out !== undefined) this.#fire(out, signal.reason)
        return
      case 'wake':
        return
    }
  }

  hostsChanged(): void {
    for (const out of this.#out.values()) this.#checkHost(out)
    for (const watchers of this.#in.values()) {
      for (const [id, { host }] of watchers)
        if (!this.#ports.isUp(host) && host !== this.#ports.host) watchers.delete(id)
    }
  }

  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#out.clear()
    this.#bySubject.clear()
    this.#in.clear()
  }

  #assert(out: Out): void {
    const host = out.host ?? this.#ports.locate(out.ref)
    if (host === undefined) return this.#fire(out, 'host_down')
    if (host !== this.#ports.host) {
      if (!this.#ports.isUp(host)) return this.#fire(out, 'host_down')
      return this.#send(host, 'watch', out, out.incarnation, '')
    }
    const target = this.#ports.find(out.ref, out.incarnation === '')
    if (target === undefined) return this.#fire(out, 'noproc')
    out.host = host
    out.incarnation = target.incarnation
    this.#note(target, { id: out.id, host, ref: out.ref, seenMs: this.#ports.clock.monotonicMs() })
  }

  #watched(signal: Signal): void {
    const here = this.#ports.locate(signal.ref) === this.#ports.host
    const target = this.#ports.find(signal.ref, here && signal.incarnation === '')
    if (target === undefined) {
      // Not the owner by this host's view: the next assertion finds who is.
      if (!here && signal.incarnation === '') return
      return this.#send(signal.from, 'down', signal, signal.incarnation, 'noproc')
    }
    if (signal.incarnation !== '' && signal.incarnation !== target.incarnation) {
      return this.#send(signal.from, 'down', signal, signal.incarnation, 'noproc')
    }
    const nowMs = this.#ports.clock.monotonicMs()
    this.#note(target, { id: signal.id, host: signal.from, ref: signal.ref, seenMs: nowMs })
    this.#send(signal.from, 'watching', signal, target.incarnation, '')
    this.#arm()
  }

  #note(target: Subject, watcher: In): void {
    const watchers = this.#in.get(target) ?? new Map<string, In>()
    watchers.set(watcher.id, watcher)
    this.#in.set(target, watchers)
  }

  #down(watcher: In, reason: string, incarnation: string): void {
    if (watcher.host !== this.#ports.host) {
      return this.#send(watcher.host, 'down', watcher, incarnation, reason)
    }
    const out = this.#out.get(watcher.id)
    if (out !== undefined) this.#fire(out, reason)
  }

  #fire(out: Out, reason: string): void {
    if (out.fired) return
    out.fired = true
    out.subject.deliver({ op: 'down', id: out.id, ref: out.ref as Ref, reason })
  }

  /** Ends a watch without a down, and tells the target. */
  #drop(out: Out): void {
    this.#forget(out)
    if (out.host !== undefined && out.host !== this.#ports.host) {
      if (!out.fired) this.#send(out.host, 'unwatch', out, out.incarnation, '')
      return
    }
    const target = this.#ports.find(out.ref, false)
    if (target !== undefined) this.#in.get(target)?.delete(out.id)
  }

  #forget(out: Out): void {
    this.#out.delete(out.id)
    const mine = this.#bySubject.get(out.subject)
    mine?.delete(refText(out.ref))
    if (mine?.size === 0) this.#bySubject.delete(out.subject)
  }

  #checkHost(out: Out): void {
    const { host } = out
    if (host === undefined || host === this.#ports.host || this.#ports.isUp(host)) return
    this.#fire(out, 'host_down')
  }

  #send(
    host: string,
    kind: Signal['kind'],
    watch: { readonly id: string; readonly ref: Ref<unknown> },
    incarnation: string,
    reason: string,
  ): void {
    const { id, ref } = watch
    this.#ports.send(host, { op: 'signal', kind, ref, id, from: this.#ports.host, incarnation, reason })
  }

  #arm(): void {
    this.#timer ??= this.#ports.clock.after(this.#ports.limits.watchAssertMs, () => {
      this.#timer = undefined
      this.#sweep()
      if (this.#remote()) this.#arm()
    })
  }

  #sweep(): void {
    for (const out of this.#out.values()) {
      if (!out.fired && out.host !== this.#ports.host) this.#assert(out)
    }
    const oldMs = this.#ports.clock.monotonicMs() - this.#ports.limits.watchForgetMs
    for (const watchers of this.#in.values()) {
      for (const [id, watcher] of watchers) {
        if (watcher.host !== this.#ports.host && watcher.seenMs < oldMs) watchers.delete(id)
      }
    }
  }

  /** Whether any watch crosses hosts: only those need to be asserted. */
  #remote(): boolean {
    for (const out of this.#out.values()) if (!out.fired && out.host !== this.#ports.host) return true
    for (const watchers of this.#in.values()) {
      for (const watcher of watchers.values()) if (watcher.host !== this.#ports.host) return true
    }
    return false
  }
}
