/**
 * Processes of one host that share its port, as one of them knows the others: by their number. What is sent
 * arrives in order, or the other has left.
 */
import type { Upstream } from './contract.ts'
import type { ShareMessage } from './shares.ts'

/** Of what they say to each other; processes of other builds that say another are no siblings. */
export const siblingsVersion = 1

export type SiblingMessage =
  | ShareMessage
  /** This target could not be connected to: it is to be left alone for so long. */
  | {
      readonly type: 'shut'
      readonly app: string
      readonly upstream: Upstream
      readonly forMs: number
    }

export type Siblings = {
  /** Which of them this process is, from 0, and of how many. */
  readonly index: number
  readonly count: number
  /** Does nothing when that one is not here. */
  readonly send: (peer: number, message: SiblingMessage) => void
}

/** What becomes of the others. */
export type SiblingEvents = {
  readonly joined: (peer: number) => void
  readonly left: (peer: number) => void
  readonly heard: (peer: number, message: SiblingMessage) => void
}
