/**
 * Name index: which app a name leads to, read from the record (the names that apps claimed,
 * effects/names.ts).
 *
 * And what may be an app's name at all; the actor only knows whether it is taken.
 */
import type { Random } from '../../src/ports/random.ts'
import type { Store } from '../../src/ports/store.ts'
import { holderOf } from '../effects/perform/names.ts'
import { invalid } from './errors.ts'
import { adjectives, nouns } from './words.ts'

export const appIdOf = async (store: Store, name: string): Promise<string | undefined> =>
  appName.test(name) ? (await holderOf(store, 'app', name))?.appId : undefined

export const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const appName = /^[a-z][a-z0-9-]{1,28}[a-z0-9]$/

/** The name as it is, or Heroku's text why it cannot be one. */
export const checkAppName = (name: string): string => {
  if (name.length < 3) throw invalid('Name is too short (minimum is 3 characters)')
  if (name.length > 30) throw invalid('Name is too long (maximum is 30 characters)')
  if (appName.test(name)) return name
  throw invalid(
    'Name must start with a letter, end with a letter or digit ' +
      'and can only contain lowercase letters, digits, and dashes.',
  )
}

/** `stormy-meadow-04711`: adjective, noun and five digits, as Heroku names what has no name. */
export const inventName = (random: Random): string => {
  const pick = (words: readonly string[]): string =>
    words[Math.floor(random.next() * words.length)] ?? 'quiet'
  const number = Math.floor(random.next() * 100_000)
  return `${pick(adjectives)}-${pick(nouns)}-${String(number).padStart(5, '0')}`
}
