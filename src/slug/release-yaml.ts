/**
 * A buildpack's bin/release output: YAML with the default process types and, on a first deploy, add-ons and
 * config vars.
 *
 * The only door to the yaml package.
 */
import { parse } from 'yaml'

export type BuildpackRelease = {
  readonly defaultTypes: Readonly<Record<string, string>>
  readonly addons: readonly string[]
  readonly configVars: Readonly<Record<string, string>>
}

const textCharsMax = 64 * 1024

/**
 * Reads bin/release's stdout; nothing at all is an empty release. Throws a TypeError that says what is
 * wrong.
 */
export function parseRelease(text: string): BuildpackRelease {
  if (text.length > textCharsMax) throw new TypeError(`more than ${textCharsMax} characters`)
  let root: unknown
  try {
    // Its warnings would go to this process's own stderr, with a stranger's text in them.
    root = parse(text, { maxAliasCount: 10, prettyErrors: false, logLevel: 'error' })
  } catch (cause) {
    throw new TypeError('not YAML', { cause })
  }
  if (root === null || root === undefined) return { defaultTypes: {}, addons: [], configVars: {} }
  const fields = mapping(root, 'the document')
  const addons = fields['addons'] ?? []
  if (!Array.isArray(addons)) throw new TypeError('addons is not a list')
  return {
    defaultTypes: strings(fields['default_process_types'], 'default_process_types'),
    addons: addons.map(String),
    configVars: strings(fields['config_vars'], 'config_vars'),
  }
}

function mapping(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${what} is not a mapping`)
  return value as Record<string, unknown>
}

function strings(value: unknown, what: string): Record<string, string> {
  if (value === undefined || value === null) return {}
  return Object.fromEntries(
    Object.entries(mapping(value, what)).map(([name, each]) => {
      if (typeof each === 'object' && each !== null) throw new TypeError(`${what}.${name} is not text`)
      return [name, String(each)]
    }),
  )
}
