/**
 * What clients and observers saw, with times: all that the checker knows. Times are the world's ms since it
 * was booted.
 *
 * An operation is noted when it is invoked and again when it returned; one that never returned may have
 * happened or not, at any time after its call.
 */
import type { BuildStep, Fault } from './language.ts'

/** Who answered a request: said by the process that answered. */
export type Answered = {
  readonly app: string
  /** `web.1` */
  readonly dyno: string
  /** One life of one process: made by it when it begins, or its run. */
  readonly life: string
}

/**
 * `ok`: acknowledged. `refused`: surely not done (a 4xx of the API, say). `failed`: no answer, or an error:
 * done or not.
 */
export type Outcome = 'ok' | 'refused' | 'failed'

type OpBase = {
  readonly app: string
  readonly invokedAt: number
  /** Null: it never returned. */
  returnedAt: number | null
  outcome: Outcome | null
  /** Why not: `H12`, `ECONNREFUSED`, an error's code. */
  error?: string
}
export type RequestOp = OpBase & {
  readonly kind: 'request'
  via?: string
  answered?: Answered
  status?: number
  /** By which the router's line of it is known, where a world has such lines. */
  requestId?: string
}
/** One key of the app's config set; `version` is the release that it made. */
export type ConfigOp = OpBase & {
  readonly kind: 'config'
  readonly key: string
  readonly value: string
  version?: number
}
export type ScaleOp = OpBase & { readonly kind: 'scale'; readonly type: string; readonly quantity: number }
/** What the error of a build begins with of which nothing says why it failed. */
export const noWord = 'no_word'

/** Source sent in, until its sender was told its end: `refused` when that was that it failed. */
export type BuildOp = OpBase & {
  readonly kind: 'build'
  readonly by: BuildStep['by']
  /** That compiles it. */
  readonly host: string
  /** What it is known by on record. */
  readonly version: string
}
export type Op = RequestOp | ConfigOp | ScaleOp | BuildOp

/** A process of an app that surely existed from `fromAt` to `toAt` (null: to the end). */
export type Life = {
  readonly app: string
  readonly dyno: string
  /** Unique for ever: the run's id. */
  readonly run: string
  readonly host: string
  readonly singleton: boolean
  /** Of the decision that started it, where the world can see it. */
  readonly epoch?: number
  readonly fromAt: number
  readonly toAt: number | null
  /** When it surely was no more, where looks are some time apart; left out: at `toAt`. */
  readonly goneAt?: number
}

/** A fault as it struck: on whom, and when. */
export type Struck = { readonly at: number; readonly fault: Fault; readonly hosts: readonly string[] }

/**
 * What the sink of an app's log got: a numbered line of one life, the router's of one request, the word that
 * so many are lost, or a line of somebody else.
 */
export type LogEvent =
  | { readonly app: string; readonly at: number; readonly life: string; readonly n: number }
  | { readonly app: string; readonly at: number; readonly requestId: string }
  | { readonly app: string; readonly at: number; readonly other: true }
  | { readonly app: string; readonly at: number; readonly lost: number; readonly code: string }
/** A frame that the receiver of an app's drain took. */
export type Frame = { readonly app: string; readonly id: string; readonly texts: readonly string[] }
/** Lines that a life surely said (its numbers run from 0), and the host that it was on. */
export type Said = {
  readonly app: string
  readonly life: string
  readonly host: string
  readonly lines: number
}

/** What the API says of an app when all is over. */
export type FinalApp = {
  readonly app: string
  readonly releases: readonly { readonly version: number; readonly id: string }[]
  readonly config: Readonly<Record<string, string>>
  /** Type to quantity. */
  readonly quantities: Readonly<Record<string, number>>
  readonly dynos: readonly {
    readonly name: string
    readonly state: string
    readonly run: string
    readonly host: string | null
    readonly releaseVersion: number
  }[]
}

/** A build on record when all is over, and whether there is a release of it. */
export type FinalBuild = {
  readonly app: string
  readonly version: string
  readonly status: string
  readonly isReleased: boolean
}

/** A condition that was waited for: when it was asked, and when it held (null: not in time). */
export type Waited = { readonly condition: string; readonly fromAt: number; readonly heldAt: number | null }

export type History = {
  readonly ops: readonly Op[]
  readonly faults: readonly Struck[]
  readonly waits: readonly Waited[]
  readonly lives: readonly Life[]
  readonly log: readonly LogEvent[]
  readonly said: readonly Said[]
  /** Of apps that have a drain. */
  readonly frames?: readonly Frame[]
  /** Null when the API did not answer at the end. */
  readonly final: readonly FinalApp[] | null
  /** Of the apps that source was sent in for. */
  readonly builds: readonly FinalBuild[]
}
