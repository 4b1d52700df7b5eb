/**
 * Hosts by free memory, the most free first: found, moved and skipped without looking at all of them.
 *
 * They stand in classes of 128 MB: hosts of one class count as equally free, and the one that came into it
 * first goes first.
 */
const classBytes = 128 * 2 ** 20

export class Shelf {
  readonly #classes: Set<string>[] = []
  readonly #classOf = new Map<string, number>()
  #top = -1

  get size(): number {
    return this.#classOf.size
  }

  has(host: string): boolean {
    return this.#classOf.has(host)
  }

  /** Puts the host where it belongs now. */
  put(host: string, freeBytes: number): void {
    const at = classOfBytes(freeBytes)
    const before = this.#classOf.get(host)
    if (before === at) return
    if (before !== undefined) this.#classes[before]?.delete(host)
    while (this.#classes.length <= at) this.#classes.push(new Set())
    this.#classes[at]!.add(host)
    this.#classOf.set(host, at)
    this.#top = Math.max(this.#top, at)
  }

  remove(host: string): void {
    const at = this.#classOf.get(host)
    if (at === undefined) return
    this.#classes[at]?.delete(host)
    this.#classOf.delete(host)
  }

  /**
   * The first host that is wanted, from the most free down, as far as there may be so much room (`wanted`
   * says whether there is).
   */
  find(bytes: number, wanted: (host: string) => boolean): string | undefined {
    while (this.#top >= 0 && this.#classes[this.#top]!.size === 0) this.#top--
    for (let at = this.#top; at >= classOfBytes(bytes); at--) {
      for (const host of this.#classes[at]!) if (wanted(host)) return host
    }
    return undefined
  }
}

/** What is overbooked counts as nothing free. */
const classOfBytes = (bytes: number): number => Math.max(0, Math.floor(bytes / classBytes))
