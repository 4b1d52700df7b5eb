/**
 * Invites: one-time tokens by which a machine becomes a host. Of a token only its sha256 is on record.
 *
 * A used invite stays on record until it would have expired, with whose it was: a joiner whose answer got
 * lost asks again with the same keys and gets the same, anybody else is told that it was used.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../../src/ports/random.ts'
import { StoreConflict, type Store } from '../../src/ports/store.ts'
import { PeerRefusal } from '../../src/peers/contract.ts'

type Invite = {
  readonly createdAt: number
  readonly expiresAt: number
  /** The joiner, by its keys. */
  readonly usedBy?: string
}

const dayMs = 24 * 3_600_000
const tokenLength = 40
/** More than that wait for nobody: the oldest go. */
const invitesMax = 32

export type InviteOptions = {
  /** Where a joiner reaches this host, and the sum of the authority it must meet there. */
  readonly address: string
  readonly port: number
  readonly authority: string
  readonly random: Random
  readonly nowMs: number
}

/** @returns the join URL, good for one host and a day */
export const createInvite = async (store: Store, options: InviteOptions): Promise<string> => {
  const { nowMs } = options
  await sweep(store, nowMs)
  const token = options.random.token(tokenLength)
  const invite: Invite = { createdAt: nowMs, expiresAt: nowMs + dayMs }
  await store.create(keyOf(token), encode(invite))
  return `https://${options.address}:${options.port}/join/${token}?ca=${options.authority}`
}

/**
 * Uses it up for the joiner with these keys; of two at once one wins.
 * @throws PeerRefusal: `invite_unknown`, `invite_used`, `invite_expired`
 */
export const useInvite = async (
  store: Store,
  token: string,
  joiner: string,
  nowMs: number,
): Promise<void> => {
  for (;;) {
    const entry = await store.get(keyOf(token))
    if (entry === undefined) throw refuse('invite_unknown', 'this cluster does not know the join URL')
    const invite = decode(entry.value)
    if (invite.expiresAt <= nowMs) throw refuse('invite_expired', 'the join URL is too old')
    if (invite.usedBy === joiner) return
    if (invite.usedBy !== undefined) throw refuse('invite_used', 'the join URL has been used')
    try {
      await store.update(entry.key, encode({ ...invite, usedBy: joiner }), entry.revision)
      return
    } catch (error) {
      // Somebody else was first, and it ends here: an invite is used once and never given back.
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

const refuse = (code: string, message: string): PeerRefusal =>
  new PeerRefusal(code, `${message}; get a fresh one: bin/manifold hosts:invite`)

const sweep = async (store: Store, nowMs: number): Promise<void> => {
  const all = (await store.list('invite/')).map((entry) => ({ entry, invite: decode(entry.value) }))
  const open = all
    .filter(({ invite }) => invite.usedBy === undefined && invite.expiresAt > nowMs)
    .toSorted((a, b) => b.invite.createdAt - a.invite.createdAt)
  const old = all.filter(({ invite }) => invite.expiresAt <= nowMs)
  for (const { entry } of [...old, ...open.slice(invitesMax - 1)])
    await store.remove(entry.key, entry.revision).catch((error: unknown) => {
      // Swept or used by another host just now.
      if (!(error instanceof StoreConflict)) throw error
    })
}

const keyOf = (token: string): string => `invite/${createHash('sha256').update(token).digest('hex')}`
const encode = (invite: Invite): Uint8Array => Buffer.from(JSON.stringify(invite))
const decode = (bytes: Uint8Array): Invite => JSON.parse(Buffer.from(bytes).toString('utf8')) as Invite
