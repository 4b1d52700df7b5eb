/** Throws for a time, in turns at each property, and makes small what breaks one. */
import fc from 'fast-check'
import { openEnds } from '../../kit/ends.ts'
import { engineStage } from '../../kit/stage.ts'
import { thrown, type Thrown } from './grammar.ts'
import { answersAreOne, requestsAreOne, throughSockets } from './properties.ts'

export type Found = { readonly property: string; readonly why: string; readonly thrown: Thrown }
export type FuzzOptions = {
  readonly seconds: number
  readonly seed: number
  readonly say: (text: string) => void
}

const runsPerTurn = 2000
const socketRunsPerTurn = 200

export const fuzz = async ({ seconds, seed, say }: FuzzOptions): Promise<readonly Found[]> => {
  const ends = openEnds()
  const stage = await engineStage(ends)
  const properties: Readonly<Record<string, readonly [(one: Thrown) => Promise<string | null>, number]>> = {
    requestsAreOne: [async (one) => requestsAreOne(one), runsPerTurn],
    answersAreOne: [async (one) => answersAreOne(one), runsPerTurn],
    throughSockets: [(one) => throughSockets(stage, one), socketRunsPerTurn],
  }
  const found: Found[] = []
  const deadlineMs = performance.now() + seconds * 1000
  let runs = 0
  try {
    for (let turn = 0; found.length === 0 && performance.now() < deadlineMs; turn += 1) {
      for (const [name, [property, numRuns]] of Object.entries(properties)) {
        const leftMs = deadlineMs - performance.now()
        if (leftMs <= 0) break
        let why = ''
        const details = await fc.check(
          fc.asyncProperty(thrown, async (one) => {
            const wrong = await property(one)
            if (wrong !== null) why = wrong
            return wrong === null
          }),
          { seed: seed + turn, numRuns, interruptAfterTimeLimit: leftMs },
        )
        runs += details.numRuns
        const [smallest] = details.counterexample ?? []
        if (smallest !== undefined) found.push({ property: name, why, thrown: smallest })
      }
      say(`${runs} runs, ${Math.max(0, Math.round((deadlineMs - performance.now()) / 1000))} s left`)
    }
    return found
  } finally {
    await ends.all()
  }
}
