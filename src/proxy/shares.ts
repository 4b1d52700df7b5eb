/**
 * How much of an app's limits this process may use, where several processes of a host serve one limit
 * together. Each has a part of it. Who needs more asks the others, who give of what they do not use; what is
 * on its way between two belongs to neither, so all together never have more than the limit. A request waits
 * for an answer only when its own process has nothing left. Pure: messages go out through `send`.
 */

export type Kind = 'requests' | 'clients'
type Counted = { readonly kind: Kind; readonly app: string }
type Amount = Counted & { readonly amount: number }

export type ShareMessage =
  /** `need`: it has nothing left for so many; `like`: what it would have in store. */
  | (Counted & { readonly type: 'ask'; readonly max: number; readonly need: number; readonly like: number })
  /** The answer, also when it is nothing. */
  | (Amount & { readonly type: 'give' })
  /** Not needed any more. */
  | (Amount & { readonly type: 'back' })
  /** First of all: what of the other's part is here. */
  | { readonly type: 'held'; readonly amounts: readonly Amount[] }

export type SharesSettings = {
  /** Which of the processes this is, from 0, and of how many. */
  readonly index: number
  readonly count: number
  readonly send: (peer: number, message: ShareMessage) => void
  /** What of an app is here now. */
  readonly usedOf: (of: Counted) => number
  readonly nowMs: () => number
}

/** Nobody waits longer for a neighbour that does not answer. */
const answerMsMax = 100
/** Who had nothing to give is not asked again for so long. */
const askAgainMs = 20

type Ask = { readonly sinceMs: number; readonly isUrgent: boolean }

/** What was moved between this process and the others, of one limit. */
class Ledger {
  readonly of: Counted
  /** More than 0: so much of that peer's part is here; less: so much of this one's is there. */
  readonly balances = new Map<number, number>()
  /** Who has not answered yet, and who had nothing to give. */
  readonly asked = new Map<number, Ask>()
  readonly refused = new Map<number, Ask>()
  readonly waiting = new Set<() => void>()
  max = 0

  constructor(of: Counted) {
    this.of = of
  }

  move(peer: number, amount: number): void {
    this.balances.set(peer, (this.balances.get(peer) ?? 0) + amount)
  }

  /** What came from others less what went to them; `lentOnly`: without what came. */
  moved(lentOnly = false): number {
    let sum = 0
    for (const balance of this.balances.values()) sum += lentOnly ? Math.min(0, balance) : balance
    return sum
  }

  get atRest(): boolean {
    return this.waiting.size + this.asked.size === 0 && ![...this.balances.values()].some((one) => one !== 0)
  }
}

export class Shares {
  readonly #settings: SharesSettings
  readonly #peers = new Set<number>()
  readonly #ledgers = new Map<string, Ledger>()

  constructor(settings: SharesSettings) {
    this.#settings = settings
  }

  /**
   * May `used` of them be here, of `max` on the host? `wait`: somebody is asked, and `wait` calls back.
   */
  may(kind: Kind, app: string, used: number, max: number): 'yes' | 'no' | 'wait' {
    const part = this.#partOf(max)
    const low = lowOf(part)
    if (this.#ledgers.size === 0 && used + low <= part) return 'yes'
    const known = this.#ledgers.get(nameOf(kind, app))
    const share = Math.min(max, part + (known?.moved() ?? 0))
    if (used + low <= share) return 'yes'
    if (this.#peers.size === 0) return used <= share ? 'yes' : 'no'
    const ledger = known ?? this.#open(kind, app)
    ledger.max = max
    if (used <= share) {
      // Ahead of time, so that nobody has to wait.
      if (share < max) this.#ask(ledger, 0)
      return 'yes'
    }
    return used <= max && this.#ask(ledger, ledger.waiting.size + 1) ? 'wait' : 'no'
  }

  /** After `wait`: calls back once when `may` may say another thing; the returned function calls it off. */
  wait(kind: Kind, app: string, again: () => void): () => void {
    const { waiting } = this.#open(kind, app)
    waiting.add(again)
    return () => void waiting.delete(again)
  }

  joined(peer: number): void {
    this.#peers.add(peer)
    const amounts = [...this.#ledgers.values()].flatMap(({ of, balances }) => {
      const amount = balances.get(peer) ?? 0
      return amount > 0 ? [{ ...of, amount }] : []
    })
    this.#settings.send(peer, { type: 'held', amounts })
  }

  /** What went there went with it; what came from there stays until its next life, which is told. */
  left(peer: number): void {
    this.#peers.delete(peer)
    for (const ledger of this.#ledgers.values()) {
      if ((ledger.balances.get(peer) ?? 0) < 0) ledger.balances.delete(peer)
      ledger.asked.delete(peer)
      this.#wakeUnlessAwaited(ledger)
    }
  }

  heard(peer: number, message: ShareMessage): void {
    if (message.type === 'ask') return this.#asked(peer, message)
    if (message.type === 'held') {
      for (const { kind, app, amount } of message.amounts) this.#open(kind, app).balances.set(peer, -amount)
      return
    }
    const ledger = this.#open(message.kind, message.app)
    ledger.move(peer, message.amount)
    const ask = message.type === 'give' ? ledger.asked.get(peer) : undefined
    if (ask !== undefined) ledger.asked.delete(peer)
    if (message.amount > 0) return wake(ledger)
    if (ask !== undefined) ledger.refused.set(peer, { ...ask, sinceMs: this.#settings.nowMs() })
    this.#wakeUnlessAwaited(ledger)
  }

  /** Called now and then: gives back what is not needed, and lets nobody wait for who does not answer. */
  sweep(): void {
    for (const [name, ledger] of this.#ledgers) {
      this.#wakeUnlessAwaited(ledger)
      this.#giveBack(ledger)
      if (ledger.atRest) this.#ledgers.delete(name)
    }
  }

  #partOf(max: number): number {
    const { index, count } = this.#settings
    return Math.floor(max / count) + (index < max % count ? 1 : 0)
  }

  #open(kind: Kind, app: string): Ledger {
    const name = nameOf(kind, app)
    let ledger = this.#ledgers.get(name)
    if (ledger === undefined) {
      ledger = new Ledger({ kind, app })
      this.#ledgers.set(name, ledger)
    }
    return ledger
  }

  /** @returns whether an answer may still come in time */
  #ask(ledger: Ledger, need: number): boolean {
    const now = this.#settings.nowMs()
    const { of, asked, refused, max } = ledger
    const isUrgent = need > 0
    const like = Math.max(1, this.#partOf(max) >> 1)
    for (const peer of this.#peers) {
      const last = refused.get(peer)
      const isVain = last !== undefined && now - last.sinceMs < askAgainMs && (last.isUrgent || !isUrgent)
      if (asked.has(peer) || isVain) continue
      asked.set(peer, { sinceMs: now, isUrgent })
      this.#settings.send(peer, { type: 'ask', ...of, max, need, like })
    }
    return this.#isAwaited(ledger)
  }

  #isAwaited({ asked }: Ledger): boolean {
    const lateMs = this.#settings.nowMs() - answerMsMax
    for (const { sinceMs } of asked.values()) if (sinceMs > lateMs) return true
    return false
  }

  #wakeUnlessAwaited(ledger: Ledger): void {
    if (ledger.waiting.size > 0 && !this.#isAwaited(ledger)) wake(ledger)
  }

  #asked(peer: number, { kind, app, max, need, like }: Extract<ShareMessage, { type: 'ask' }>): void {
    const of = { kind, app }
    const known = this.#ledgers.get(nameOf(kind, app))
    const used = this.#settings.usedOf(of) + (known?.waiting.size ?? 0)
    const free = Math.max(0, this.#partOf(max) + (known?.moved() ?? 0) - used)
    const amount = Math.max(Math.min(need, free), Math.min(like, free >> 1))
    if (amount > 0) {
      const ledger = known ?? this.#open(kind, app)
      ledger.max = max
      ledger.move(peer, -amount)
    }
    this.#settings.send(peer, { type: 'give', ...of, amount })
  }

  #giveBack(ledger: Ledger): void {
    const { of, balances, max, waiting } = ledger
    const part = this.#partOf(max)
    if (this.#settings.usedOf(of) + waiting.size + lowOf(part) > part + ledger.moved(true)) return
    for (const [peer, amount] of balances) {
      if (amount === 0) balances.delete(peer)
      if (amount <= 0 || !this.#peers.has(peer)) continue
      balances.delete(peer)
      this.#settings.send(peer, { type: 'back', ...of, amount })
    }
  }
}

const nameOf = (kind: Kind, app: string): string => `${kind}/${app}`

/** So much is to be left when others are asked for more. */
const lowOf = (part: number): number => part >> 2

function wake({ waiting }: Ledger): void {
  const all = [...waiting]
  waiting.clear()
  for (const again of all) again()
}
