/**
 * The machine's chance (ports/random.ts). The only door to nanoid.
 *
 * Names that must not be guessed come from the kernel's generator; `next` only spreads load and back-off.
 */
import { randomUUID } from 'node:crypto'
import { customAlphabet } from 'nanoid'
import type { Random } from '../ports/random.ts'

const letters = 'abcdefghijklmnopqrstuvwxyz'
const token = customAlphabet(`0123456789${letters}${letters.toUpperCase()}`)

export const systemRandom: Random = {
  next: () => Math.random(),
  uuid: () => randomUUID(),
  token: (length) => token(length),
}
