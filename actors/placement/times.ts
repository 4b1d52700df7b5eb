/** Numbers of the gentle rebalance after hosts came, in one place. */
import assert from 'node:assert/strict'

export const placementTimes = {
  /** No host came, went or changed its state for this long. */
  calmMs: 10_000,
  betweenMovesMs: 5_000,
  /** A fifth of what runs moves in an hour, but at least and at most so many. */
  movesPerHourMin: 6,
  movesPerHourMax: 60,
  /** Shares of used memory of two hosts that differ by less are even. */
  unevenShare: 0.25,
} as const

assert(placementTimes.movesPerHourMin <= placementTimes.movesPerHourMax)
