/**
 * The account of an app's log: up to which of its lines each source is stored. Pure.
 *
 * It is kept with the lines themselves, so that whoever stores the next ones knows: what is there already is
 * not stored again, and what was there and is gone (a store that lost its newest blocks) is counted and said.
 */
import type { Line, Part } from '../protocols/channel.ts'
import { lostLine } from './codes.ts'

/** The number of the next line of a source, and when its last was written, or one stored with it. */
export type Mark = { readonly next: number; readonly untilUs: number }
/** By source, the one that spoke last at the end. */
export type Marks = ReadonlyMap<string, Mark>
/** Of one batch: sources and the numbers of their next lines. */
export type BatchMarks = readonly (readonly [source: string, next: number])[]

/** More sources than an app has that are in the middle of something. */
const marksMax = 1_000

/**
 * What is left to store of these, the loss said in its place.
 *
 * @param isWhole nothing was forgotten: who has no mark has no line there
 */
export const unstored = (
  marks: Marks,
  isWhole: boolean,
  parts: readonly Part[],
): { readonly lines: readonly Line[]; readonly marks: BatchMarks } => {
  const knowsAll = isWhole && marks.size < marksMax
  const lines: Line[] = []
  const made = new Map<string, number>()
  for (const { source, first, lines: all } of parts) {
    const mark = marks.get(source)
    const next = made.get(source) ?? mark?.next ?? (knowsAll ? 0 : first)
    const rest = next > first ? all.slice(next - first) : all
    const [begin] = rest
    if (begin === undefined) continue
    if (next < first)
      lines.push(lostLine({ count: first - next, sinceUs: mark?.untilUs ?? begin.atUs }, begin.atUs))
    for (const line of rest) lines.push(line)
    made.set(source, first + all.length)
  }
  return { lines, marks: [...made] }
}

/** Those, and what a batch adds. */
export const merged = (marks: Marks, batch: BatchMarks): BatchMarks => {
  const nexts = new Map([...marks].map(([source, { next }]) => [source, next]))
  for (const [source, next] of batch) {
    nexts.delete(source)
    nexts.set(source, next)
  }
  return [...nexts]
}

/** After a batch is stored. */
export const marked = (marks: Map<string, Mark>, batch: BatchMarks, untilUs: number): void => {
  for (const [source, next] of batch) {
    marks.delete(source)
    marks.set(source, { next, untilUs })
  }
  for (const source of marks.keys()) {
    if (marks.size <= marksMax) return
    marks.delete(source)
  }
}
