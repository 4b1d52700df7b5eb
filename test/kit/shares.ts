/** Limits that several processes serve together, with messages that arrive when the test says so. */
import { Shares, type ShareMessage } from '../../src/proxy/shares.ts'

/** Some processes with requests for one app, and a line of messages on their way between each two. */
export class HostOf {
  readonly count: number
  max: number
  nowMs = 0
  readonly used: number[]
  waiting = 0
  refused = 0
  sent = 0
  readonly #all: (Shares | undefined)[]
  readonly #lines = new Map<string, ShareMessage[]>()

  constructor(count: number, max: number) {
    this.count = count
    this.max = max
    this.used = Array.from({ length: count }, () => 0)
    this.#all = Array.from({ length: count }, () => undefined)
    for (let index = 0; index < count; index++) this.start(index)
  }

  get total(): number {
    return this.used.reduce((sum, one) => sum + one, 0)
  }

  start(index: number): void {
    if (this.#all[index] !== undefined) return
    const made = new Shares({
      index,
      count: this.count,
      send: (peer, message) => {
        this.sent += 1
        this.#lines.get(`${index} ${peer}`)?.push(message)
      },
      usedOf: () => this.used[index] ?? 0,
      nowMs: () => this.nowMs,
    })
    for (const peer of this.#peersOf(index)) {
      this.#lines.set(`${index} ${peer}`, [])
      this.#lines.set(`${peer} ${index}`, [])
      this.#all[peer]?.joined(index)
      made.joined(peer)
    }
    this.#all[index] = made
    // A process listens when it has heard of all the others.
    for (const peer of this.#peersOf(index)) while (this.deliver(peer, index));
  }

  kill(index: number): void {
    if (this.#all[index] === undefined) return
    this.#all[index] = undefined
    this.used[index] = 0
    for (const peer of this.#peersOf(index)) {
      // What was sent before it died arrives.
      while (this.deliver(index, peer));
      this.#lines.delete(`${index} ${peer}`)
      this.#lines.delete(`${peer} ${index}`)
      this.#all[peer]?.left(index)
    }
  }

  /** One more request. */
  begin(index: number): void {
    const shares = this.#all[index]
    if (shares === undefined) return
    const may = shares.may('requests', 'app', (this.used[index] ?? 0) + 1, this.max)
    if (may === 'yes') this.used[index] = (this.used[index] ?? 0) + 1
    else if (may === 'no') this.refused += 1
    else {
      this.waiting += 1
      shares.wait('requests', 'app', () => {
        this.waiting -= 1
        this.begin(index)
      })
    }
  }

  end(index: number): void {
    this.used[index] = Math.max(0, (this.used[index] ?? 0) - 1)
  }

  deliver(from: number, to: number): boolean {
    const message = this.#lines.get(`${from} ${to}`)?.shift()
    if (message === undefined) return false
    this.#all[to]?.heard(from, message)
    return true
  }

  deliverAll(): void {
    for (let some = true; some;) {
      some = false
      for (const line of this.#lines.keys()) {
        const [from = 0, to = 0] = line.split(' ').map(Number)
        some = this.deliver(from, to) || some
      }
    }
  }

  pass(ms: number): void {
    this.nowMs += ms
    for (const shares of this.#all) shares?.sweep()
  }

  #peersOf(index: number): readonly number[] {
    return this.#all.flatMap((shares, peer) => (shares !== undefined && peer !== index ? [peer] : []))
  }
}
