/**
 * The operator's side of the cluster, as the API is given it: what there is, and what an operator may do to
 * it. The composition root implements it; nothing here knows how.
 */
import type { MemberState } from '../../src/membership/contract.ts'

/** One host, as it says of itself, as the leader sees it, and as its last announcement has it. */
export type HostRow = {
  readonly name: string
  readonly state: MemberState
  /** Epoch ms since when. */
  readonly since: number
  readonly roles: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  readonly address: string
  readonly version: string
  readonly protocol: number
  /** Name of the bus server that it is connected to. */
  readonly server: string
  /** The host that places. */
  readonly leads: boolean
  /** Null: it has not announced itself to whoever was asked. */
  readonly usage: Usage | null
}
export type Usage = {
  /** Dynos that run there. */
  readonly dynos: number
  /** What it has for dynos, and what its dynos may take of it. */
  readonly memoryBytes: number
  readonly reservedBytes: number
  /** Processes that wait for a processor, over a minute; null where it is not known. */
  readonly load: number | null
}

export type ClusterView = {
  /** Grows with each change of the view. */
  readonly number: number
  readonly leader: string
  /** The host that answers. */
  readonly self: string
  /** Most hosts vanished at once: nobody is moved until they are back or are removed. */
  readonly braked: boolean
  readonly hosts: readonly HostRow[]
}

/** `fail`: the platform cannot keep a promise now. `warn`: it can, with less to spare. */
export type Finding = {
  readonly what: string
  readonly level: 'ok' | 'warn' | 'fail'
  readonly detail: string
  /** What to do about it, in one line; null when all is well. */
  readonly todo: string | null
}

/** How many are done, of about how many: called for each. */
export type Progress = (done: number, total: number) => void

export type Restored = {
  /** Records that were written; that stood there as in the backup; that are of this cluster itself. */
  readonly written: number
  readonly same: number
  readonly left: number
}

/** A key that seals config vars and certificates, by its name. */
export type KeyRow = {
  readonly id: string
  /**
   * `next`: hosts are given it. `seals`: with it everything is sealed. `resealing`: what it sealed is sealed
   * anew. `kept`: only backups may need it.
   */
  readonly state: 'next' | 'seals' | 'resealing' | 'kept'
  /** Since when nothing on record needs it, in epoch ms. */
  readonly resealedAt: number | null
}
export type KeysView = {
  readonly keys: readonly KeyRow[]
  /** Records looked at by the last pass, of how many; and those that no key opens. */
  readonly done: number
  readonly total: number
  readonly unreadable: number
  /** Hosts without which the rotation does not go on. */
  readonly waitingFor: readonly string[]
}

/** Rejections are `ApiError`s. */
export type ClusterOperator = {
  readonly view: () => Promise<ClusterView>
  /** On record when it resolves; the host is emptied after that, start before stop. `not_found` */
  readonly drain: (host: string, draining: boolean) => Promise<void>
  /**
   * Takes a host out for good: one that is dead, has left, or is drained and empty. `not_found`, and
   * `conflict` with what to do first.
   * @param force whatever it does now: its dynos are started elsewhere
   * @returns what the operator must know of what it leaves; null: all is well
   */
  readonly remove: (host: string, force: boolean) => Promise<{ readonly warning: string | null }>
  /** @returns a join URL for one host, good for a day */
  readonly invite: () => Promise<string>
  readonly doctor: () => Promise<readonly Finding[]>
  readonly keys: {
    readonly view: () => Promise<KeysView>
    /** Begins a rotation, which goes on by itself. `conflict` while one is under way. */
    readonly rotate: () => Promise<KeysView>
    /** Keys of another time or cluster, which open and do not seal. `invalid_params`, `conflict` */
    readonly add: (keys: Uint8Array) => Promise<KeysView>
  }
  /** The whole record as lines of text, once all of it was read; see actors/main/backup-file.ts. */
  readonly backup: (told?: Progress, signal?: AbortSignal) => AsyncIterable<string>
  /**
   * Writes a backup back. `invalid_params` when it is damaged; `conflict` when it would overwrite, or when
   * this cluster lacks a key that something in it is sealed with.
   */
  readonly restore: (chunks: AsyncIterable<Uint8Array>, force: boolean, told?: Progress) => Promise<Restored>
}
