/**
 * The account of an app's log: up to which of its lines each source is stored. Pure.
 *
 * It is kept with the lines themselves, so that whoever stores the next ones knows: what is there already is
 * not stored again, and what was there and is gone (a store that lost its newest blocks) is counted and said.
 */
import type { Line, Part } from '../protocols/channel.ts'
import { droppedLine, lostLine } from './codes.ts'

/** The number of the next line of a source, and when its last was written, or one stored with it. */
export type Mark = { readonly next: number; readonly untilUs: number }
/** By source, the one that spoke last at the end. */
export type Marks = ReadonlyMap<string, Mark>
/** Of one batch: sources and the numbers of their next lines. */
export type BatchMarks = readonly (readonly [source: string, next: number])[]

/** More sources than an app has that are in the middle of something. */
const marksMax = 1_000

/** The number of the first line that a part accounts for. */
export const beginOf = ({ first, dropped }: Part): number => first - (dropped?.count ?? 0)
export const endOf = ({ first, lines }: Part): number => first + lines.length

/**
 * What is left to store of these, each loss said in its place: of the numbers that are not there yet and of
 * which no line comes, those that their source dropped (L12), and those that were stored and are gone (L13).
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
  for (const part of parts) {
    const { source, first, dropped } = part
    const mark = marks.get(source)
    const next = made.get(source) ?? mark?.next ?? (knowsAll ? 0 : beginOf(part))
    if (endOf(part) <= next) continue
    const lost = beginOf(part) - next
    if (lost > 0) {
      const atUs = dropped?.sinceUs ?? part.lines[0]?.atUs ?? 0
      lines.push(lostLine({ count: lost, sinceUs: mark?.untilUs ?? atUs }, atUs))
    }
    if (dropped !== undefined && next < first)
      lines.push(droppedLine({ ...dropped, count: Math.min(dropped.count, first - next) }))
    for (const line of next > first ? part.lines.slice(next - first) : part.lines) lines.push(line)
    made.set(source, endOf(part))
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
