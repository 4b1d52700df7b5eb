/** Secrets that open something: told once, and known by their sums from then on, and by their ends. */
import { createHash } from 'node:crypto'
import type { Random } from '../../../src/ports/random.ts'

const length = 40

/** What is kept of one. */
export type Kept = { readonly id: string; readonly sum: string; readonly shown: string }

export const sumOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')
/** `HRKU-Ab**********yZ12` */
const shownOf = (secret: string): string => `${secret.slice(0, 7)}**********${secret.slice(-4)}`

export const freshSecret = (random: Random): Kept & { readonly secret: string } => {
  const secret = `HRKU-${random.token(length)}`
  return { secret, id: random.uuid(), sum: sumOf(secret), shown: shownOf(secret) }
}
