/**
 * Sources as the house rules see them: their code without comments, their code without strings, their
 * imports.
 *
 * A scanner of a few lines, not a parser: enough to tell code from prose, and far quicker than a compiler.
 */
import { posix } from 'node:path'

export type Source = { readonly path: string; readonly text: string }

export type Import = {
  /** As written: `./x.ts`, `node:fs`, `nats`. */
  readonly specifier: string
  /** Path within the repository when relative, else undefined. */
  readonly file: string | undefined
  /** Names bound by value (`{ a, type B }` binds a); `*` for a whole module. */
  readonly values: readonly string[]
  readonly line: number
}

const blank = (text: string): string => text.replace(/[^\n]/g, ' ')
/** What may stand before a regular expression, and never before a division. */
const beforeRegex = /(?:^|[(,=:[!&|?{};>+]|\b(?:return|typeof|case|in|of))\s*$/

/** The index just past the string, template or regular expression that starts at `start`. */
const literalEnd = (text: string, start: number, quote: string): number => {
  let inClass = false
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at]
    if (character === '\\') at += 1
    else if (quote === '/' && character === '[') inClass = true
    else if (quote === '/' && character === ']') inClass = false
    else if (character === quote && !inClass) return at + 1
    else if (character === '\n' && quote !== '`') return at
  }
  return text.length
}

const scan = (text: string): { readonly uncommented: string; readonly bare: string } => {
  let uncommented = ''
  let bare = ''
  for (let at = 0; at < text.length;) {
    const character = text[at] ?? ''
    const two = text.slice(at, at + 2)
    let end = at + 1
    let kind: 'code' | 'comment' | 'literal' = 'code'
    if (two === '//') {
      kind = 'comment'
      end = text.indexOf('\n', at)
    } else if (two === '/*') {
      kind = 'comment'
      end = text.indexOf('*/', at)
      end = end < 0 ? end : end + 2
    } else if (`'"\``.includes(character) || (character === '/' && beforeRegex.test(bare.slice(-20)))) {
      kind = 'literal'
      end = literalEnd(text, at, character)
    }
    if (end < 0) end = text.length
    const piece = text.slice(at, end)
    uncommented += kind === 'comment' ? blank(piece) : piece
    bare += kind === 'code' ? piece : blank(piece)
    at = end
  }
  return { uncommented, bare }
}

const scanned = new WeakMap<Source, ReturnType<typeof scan>>()
const scanOnce = (source: Source): ReturnType<typeof scan> => {
  const known = scanned.get(source) ?? scan(source.text)
  scanned.set(source, known)
  return known
}

/** The text with comments blanked; line numbers are kept. */
export const uncommented = (source: Source): string => scanOnce(source).uncommented
/** The text with comments, strings and regular expressions blanked; line numbers are kept. */
export const bareCode = (source: Source): string => scanOnce(source).bare

export const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length

/** Each match of a global pattern in `text`, with its line. */
export const finds = (text: string, pattern: RegExp): readonly { found: string; line: number }[] =>
  [...text.matchAll(pattern)].map((match) => ({ found: match[0].trim(), line: lineAt(text, match.index) }))

const valueNames = (clause: string): readonly string[] => {
  if (/^\s*type\b/.test(clause)) return []
  if (clause.includes('*')) return ['*']
  const [outside = '', inside = ''] = clause.split(/[{}]/)
  const named = inside.split(',').filter((name) => name.trim() !== '' && !/^\s*type\s/.test(name))
  return [...outside.split(','), ...named].map((name) => name.trim().split(/\s/)[0] ?? '').filter(Boolean)
}

const fromPattern = /\b(?:import|export)\b(?<clause>[^'"`;()=]*?)\bfrom\s*['"](?<from>[^'"]+)['"]/
const barePattern = /\bimport\s*\(?\s*['"](?<bare>[^'"]+)['"]/
const importPattern = new RegExp(`${fromPattern.source}|${barePattern.source}`, 'g')

export const importsOf = (source: Source): readonly Import[] => {
  const text = uncommented(source)
  const bare = bareCode(source)
  const real = [...text.matchAll(importPattern)].filter(({ index }) =>
    /^(?:im|ex)port/.test(bare.slice(index, index + 6)),
  )
  return real.map((match) => {
    const { clause, from, bare } = match.groups ?? {}
    const specifier = from ?? bare ?? ''
    const file = specifier.startsWith('.')
      ? posix.normalize(posix.join(posix.dirname(source.path), specifier))
      : undefined
    return { specifier, file, values: valueNames(clause ?? '*'), line: lineAt(text, match.index) }
  })
}

/** Name of the npm package of a specifier; undefined for our own files and Node's modules. */
export const packageOf = (specifier: string): string | undefined => {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]
}
