/**
 * Who leads. Pure.
 *
 * Whoever leads goes on leading; when no leader is heard any more, the first by name of the proven observers
 * begins. Observers that do not hear each other learn of each other's lead from the hosts between them, which
 * say in their beats whom they follow: of two leaders the later by name yields.
 */
export class Election {
  readonly #self: string
  readonly #freshMs: number
  /** When each leader was last known to lead, by whomever heard it. */
  readonly #knownMs = new Map<string, number>()
  /** What was heard of it before is void: the bus said that it is gone. */
  readonly #voidMs = new Map<string, number>()

  constructor(self: string, freshMs: number) {
    this.#self = self
    this.#freshMs = freshMs
  }

  leads(name: string, atMs: number): void {
    if (name === this.#self || name === '') return
    if (atMs <= (this.#voidMs.get(name) ?? Number.NEGATIVE_INFINITY)) return
    if (atMs > (this.#knownMs.get(name) ?? Number.NEGATIVE_INFINITY)) this.#knownMs.set(name, atMs)
  }

  gone(name: string, atMs: number): void {
    this.#knownMs.delete(name)
    this.#voidMs.set(name, atMs)
  }

  /** The first by name of the others that lead now. */
  leader(nowMs: number): string | undefined {
    let first: string | undefined
    for (const [name, atMs] of this.#knownMs) {
      if (nowMs - atMs > this.#freshMs) this.#knownMs.delete(name)
      else if (first === undefined || name < first) first = name
    }
    // What is void is so for good after two such times: nothing older can come any more.
    for (const [name, atMs] of this.#voidMs) if (nowMs - atMs > 2 * this.#freshMs) this.#voidMs.delete(name)
    return first
  }
}
