/**
 * The audit trail: every change that is asked for by API, git or `ps:exec`, who asked, from where, and what
 * came of it. Written before the change, which is not made when that fails, and after it; of bodies only the
 * names of their fields, for there are secrets among their values.
 */
import type { Log } from '../../src/ports/log.ts'
import { StoreUnavailable } from '../../src/ports/store.ts'
import type { Step, Trail } from '../../src/ports/trail.ts'
import type { Who } from '../protocols/shapes.ts'
import { ApiError } from './errors.ts'

/** What is to be done, and by whom. */
export type Change = {
  readonly requestId: string
  /** `apps.update`; `git.push` and `dynos.exec` for what is no endpoint. */
  readonly action: string
  readonly who: Who
  readonly authorizationId: string | null
  /** Address and program of the client, as far as they are known. */
  readonly from: { readonly address: string; readonly agent: string }
  readonly appId: string | null
  /** What the path names, and the fields of the body. */
  readonly params: Readonly<Record<string, string>>
  readonly fields: readonly string[]
}
/** `status` null: begun, and not known to have ended. */
export type AuditEvent = Change & {
  readonly at: number
  readonly status: number | null
  /** The release that it made. */
  readonly release: number | null
}

export type Audit = {
  /** @throws ApiError `service_unavailable` when it cannot be written: then nothing may be changed */
  readonly begin: (
    change: Change,
    /** What tells this change from every other; left out: nothing does. */
    onceId?: string,
  ) => Promise<{
    readonly end: (status: number, release?: number) => void
    /** It was begun before, and by its end, as far as that is known. */
    readonly before?: { readonly status: number | null }
  }>
  /** Newest first, before a sequence. */
  readonly list: (wanted: {
    readonly appId?: string
    readonly before?: number
    readonly max: number
  }) => Promise<{ readonly events: readonly AuditEvent[]; readonly next: number | null }>
}

/** What belongs to no app. */
const platformKey = 'platform'
/** What ended is looked for so many steps beyond a page: most changes end before there are as many others. */
const overlap = 100
const fieldsMax = 50
const textCharsMax = 200

type Written = Omit<AuditEvent, 'status' | 'release'> & {
  readonly status?: number
  readonly release?: number
}

export const openAudit = (trail: Trail, now: () => number, log: Log): Audit => ({
  async begin(change, onceId) {
    const key = change.appId ?? platformKey
    const begun: Written = { ...bounded(change), at: now() }
    const add = (step: Written): Promise<number> => trail.add(key, Buffer.from(JSON.stringify(step)))
    const write = async (): Promise<Written | undefined> => {
      if (onceId === undefined) return void (await add(begun))
      const found = await trail.addOnce(key, Buffer.from(JSON.stringify(begun)), onceId)
      const first = found === undefined || found.bytes.length === 0 ? undefined : writtenIn(found)
      // A line that was written and not acknowledged is found by whoever wrote it.
      return found === undefined || first?.requestId === begun.requestId ? undefined : (first ?? begun)
    }
    const first = await write().catch((error: unknown) => {
      throw error instanceof StoreUnavailable ? unwritten(error) : error
    })
    const before = first && { status: await endOf(trail, key, first.requestId) }
    return {
      ...(before && { before }),
      end: (status, release) => {
        add({ ...begun, at: now(), status, ...(release !== undefined && { release }) }).catch(
          (error: unknown) =>
            log({
              at: 'audit-end-failed',
              request_id: change.requestId,
              status,
              reason: error instanceof Error ? error.message : 'unknown',
            }),
        )
      },
    }
  },
  async list({ appId, before, max }) {
    const read = await trail.read({
      max: max + overlap,
      ...(appId !== undefined && { key: appId }),
      ...(before !== undefined && { before: before + overlap }),
    })
    const steps = read.filter(({ sequence }) => before === undefined || sequence < before).slice(-max)
    const written = steps.map(writtenIn)
    const ended = new Set(
      read.flatMap((step) => {
        const { status, requestId } = writtenIn(step)
        return status === undefined ? [] : [requestId]
      }),
    )
    const events = written
      .filter(({ status, requestId }) => status !== undefined || !ended.has(requestId))
      .map((one): AuditEvent => ({ ...one, status: one.status ?? null, release: one.release ?? null }))
      .toReversed()
    return { events, next: steps.length < max ? null : (steps[0]?.sequence ?? null) }
  },
})

/** Null: it has not ended as far as is known, or that was long ago. */
const endOf = async (trail: Trail, key: string, requestId: string): Promise<number | null> => {
  const steps = await trail.read({ key, max: overlap }).catch(() => [])
  const ended = steps.map(writtenIn).find((one) => one.requestId === requestId && one.status !== undefined)
  return ended?.status ?? null
}

const writtenIn = ({ bytes }: Step): Written => JSON.parse(Buffer.from(bytes).toString('utf8')) as Written

const unwritten = (cause: unknown): ApiError =>
  new ApiError(
    'service_unavailable',
    'The service is temporarily unavailable and nothing was changed. Please try again in a moment.',
    { cause },
  )

/** Clients choose these texts. */
const bounded = (change: Change): Change => ({
  ...change,
  requestId: short(change.requestId),
  from: { address: short(change.from.address), agent: short(change.from.agent) },
  params: Object.fromEntries(
    Object.entries(change.params).map(([name, value]) => [name, isSecret(value) ? '[secret]' : short(value)]),
  ),
  fields: change.fields.slice(0, fieldsMax).map(short),
})

const short = (text: string): string => text.slice(0, textCharsMax)
/** Drains and log tokens may be named by what opens them. */
const isSecret = (text: string): boolean => /^[td]\.|:\/\//.test(text)
