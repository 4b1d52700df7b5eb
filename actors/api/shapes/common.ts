/** What every shape of the API shares: times in text, references, and stable ids made from names. */
import { createHash } from 'node:crypto'

/** ISO 8601 in UTC with whole seconds, as Heroku writes times. */
export const timeText = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19)}Z`
export const timeOrNull = (atMs: number | null): string | null => (atMs === null ? null : timeText(atMs))

/** An app, user or anything else, as other objects point to it. */
export type Named = { readonly id: string; readonly name: string }
export const named = ({ id, name }: Named): Named => ({ id, name })

/**
 * A UUID that is always the same for the same words (RFC 9562 version 8): for things that have a name and
 * no record of their own, such as the built-in domain of an app.
 */
export const idFor = (...words: readonly string[]): string => {
  const hex = createHash('sha256').update(words.join('\0')).digest('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`]
  return [...parts, hex.slice(20, 32)].join('-')
}

/** The one generation: without it the CLI guesses from the app's name. */
export const generation: Named = { id: idFor('generation', 'cedar'), name: 'cedar' }
/** When the platform's own constants came to be. */
export const epochText = '2026-11-23T00:00:00Z'
