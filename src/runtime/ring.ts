/**
 * A queue on a ring that grows by doubling: push and shift are O(1), and nothing is ever moved but on growth.
 *
 * Each item has a sequence number that stays its own while it waits, so that it can be replaced in place.
 */
import assert from 'node:assert/strict'

const slotsMin = 8

export class Ring<T> {
  #slots: (T | undefined)[] = []
  /** Sequence number of the oldest item. */
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns the item's sequence number */
  push(item: T): number {
    if (this.#size === this.#slots.length) this.#grow()
    const sequence = this.#head + this.#size
    this.#slots[sequence & (this.#slots.length - 1)] = item
    this.#size += 1
    return sequence
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const at = this.#head & (this.#slots.length - 1)
    const item = this.#slots[at]
    this.#slots[at] = undefined
    this.#head += 1
    this.#size -= 1
    return item
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head & (this.#slots.length - 1)]
  }

  /** Sequence number that the next `shift` takes. */
  get first(): number {
    return this.#head
  }

  /** Puts `item` where the item of that sequence number waits. @returns what was there */
  replace(sequence: number, item: T): T {
    assert(sequence >= this.#head && sequence < this.#head + this.#size, 'it still waits')
    const at = sequence & (this.#slots.length - 1)
    const old = this.#slots[at] as T
    this.#slots[at] = item
    return old
  }

  #grow(): void {
    const old = this.#slots
    const slots = Array.from<T | undefined>({ length: Math.max(slotsMin, old.length * 2) })
    for (let i = 0; i < this.#size; i += 1) {
      const sequence = this.#head + i
      slots[sequence & (slots.length - 1)] = old[sequence & (old.length - 1)]
    }
    this.#slots = slots
  }
}
