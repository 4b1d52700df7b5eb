/**
 * Pace, pure: which lines of a log pass. A burst does at any speed, then so much a second; the clock is the
 * lines' own, so that it makes no difference when they are read.
 *
 * Who has used up its burst gets nothing through until a second's worth is there again: what passes of a
 * flood are runs of lines that follow each other, with one loss between two runs.
 */

/** Both hold: of many short lines the one, of long ones the other. */
export type PaceLimits = {
  linesPerSecond: number
  bytesPerSecond: number
  /** How many seconds' worth passes at once, after as long a rest; more than one. */
  burstSeconds: number
}

export type Pace = {
  /** Whether `lines` lines of `bytes` together, printed at `atMs`, pass. */
  admits(lines: number, bytes: number, atMs: number): boolean
  /** Whether nothing passes that was printed until `atMs`, which is not before what was asked last. */
  isShut(atMs: number): boolean
}

/** A pace that begins rested. */
export const makePace = ({ linesPerSecond, bytesPerSecond, burstSeconds }: PaceLimits): Pace => {
  let lineRoom = linesPerSecond * burstSeconds
  let byteRoom = bytesPerSecond * burstSeconds
  let lastMs: number | undefined
  let isOpen = true
  // A clock that was set back gives nothing.
  const restedUntil = (atMs: number): number => Math.max(0, atMs - (lastMs ?? atMs)) / 1_000
  return {
    admits: (lines, bytes, atMs) => {
      const restedSeconds = restedUntil(atMs)
      lastMs = atMs
      lineRoom = Math.min(linesPerSecond * burstSeconds, lineRoom + restedSeconds * linesPerSecond)
      byteRoom = Math.min(bytesPerSecond * burstSeconds, byteRoom + restedSeconds * bytesPerSecond)
      isOpen = isOpen
        ? lineRoom >= lines && byteRoom >= bytes
        : lineRoom >= linesPerSecond && byteRoom >= bytesPerSecond
      if (!isOpen) return false
      lineRoom -= lines
      byteRoom -= bytes
      return true
    },
    isShut: (atMs) => {
      const restedSeconds = restedUntil(atMs)
      const hasRoom =
        lineRoom + restedSeconds * linesPerSecond >= linesPerSecond &&
        byteRoom + restedSeconds * bytesPerSecond >= bytesPerSecond
      return !isOpen && !hasRoom
    },
  }
}
