/**
 * .slugignore: which of a source tree's paths are dropped before the buildpacks run.
 *
 * As Heroku's slug compiler reads it (spec/dyno.md §2.3): patterns are separated by any white space, `#`
 * cuts a comment, a pattern with a slash is matched at the root only, any other one at every depth; there
 * is no negation. Globs follow Ruby's Dir.glob: `*` and `?` match neither a slash nor a leading dot.
 *
 * Patterns and names are strangers', so a match takes no longer than the product of their lengths: it goes
 * back to the last star alone (a regular expression goes back to all of them), and many give way to others.
 */
import { setImmediate as others } from 'node:timers/promises'

type Fits<Item> = (item: Item) => boolean
/** What items are to be, in their order; a star is any number of them. */
type Glob<Item> = readonly (Fits<Item> | '*')[]

/** Beyond it, with what braces stand for written out, a file is refused. */
const patternsMax = 1000
/** Linux has no longer path. */
const pathCharsMax = 4096
const pathsAtOnce = 8

/**
 * The paths (relative, `/` between parts, a directory before what it holds) that a .slugignore drops; what
 * lies in a dropped directory is not listed. Throws a RangeError when there are more than 1000 patterns.
 */
export async function slugignored(paths: readonly string[], text: string): Promise<string[]> {
  const patterns = parseSlugignore(text)
  const dropped: string[] = []
  for (const [at, path] of paths.entries()) {
    if (at % pathsAtOnce === pathsAtOnce - 1) await others()
    const last = dropped.at(-1)
    if (last !== undefined && path.startsWith(`${last}/`)) continue
    const names = path.split('/')
    if (patterns.some((pattern) => fits(pattern, names, isNoDotName))) dropped.push(path)
  }
  return dropped
}

function parseSlugignore(text: string): Glob<string>[] {
  const patterns: Glob<string>[] = []
  for (const word of text.split('\n').flatMap((line) => (line.split('#')[0] ?? '').split(/\s+/))) {
    const trimmed = word.replace(/^\.?\/+/, '').replace(/\/+$/, '')
    if (trimmed === '' || trimmed.length > pathCharsMax || trimmed.split('/').includes('..')) continue
    for (const glob of alternatives(trimmed, patternsMax - patterns.length))
      patterns.push([...(word.includes('/') ? [] : ['*' as const]), ...pathGlob(glob)])
  }
  return patterns
}

/** `{a,b}c` is `ac` and `bc`. Throws a RangeError beyond `max`. */
function alternatives(glob: string, max: number): string[] {
  const done: string[] = []
  const open = [glob]
  for (let each = open.pop(); each !== undefined; each = open.pop()) {
    const choices = choicesOf(each)
    if (choices === undefined) done.push(each)
    else open.push(...choices)
    if (done.length + open.length > max)
      throw new RangeError(`.slugignore has more than ${patternsMax} patterns`)
  }
  return done
}

/** With its first braces written out; undefined when there are none that end. */
function choicesOf(glob: string): string[] | undefined {
  const start = glob.indexOf('{')
  const choices: string[] = []
  let depth = 0
  let from = start + 1
  for (let at = start; at >= 0 && at < glob.length; at++) {
    const char = glob.charAt(at)
    if (depth === 1 && (char === ',' || char === '}')) {
      choices.push(glob.slice(from, at))
      from = at + 1
    }
    if (char === '{') depth++
    if (char === '}' && --depth === 0)
      return choices.map((choice) => glob.slice(0, start) + choice + glob.slice(at + 1))
  }
  return undefined
}

/** `**` is any number of folders; at the end it is a star like any other. */
const pathGlob = (glob: string): Glob<string> =>
  glob
    .split('/')
    .filter((part) => part !== '')
    .map((part, at, all) => (part === '**' && at < all.length - 1 ? '*' : nameGlob(part)))

const isNoDotName = (name: string): boolean => !name.startsWith('.')

function nameGlob(text: string): Fits<string> {
  if (!/[*?[]/.test(text)) return (name) => name === text
  const glob = charGlob(text)
  const dotsToo = !/^[*?[]/.test(text)
  return (name) => (dotsToo || isNoDotName(name)) && fits(glob, name)
}

function charGlob(text: string): Glob<string> {
  const glob: (Fits<string> | '*')[] = []
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    const close = char === '[' ? text.indexOf(']', at + 2) : -1
    if (char === '*') glob.push('*')
    else if (char === '?') glob.push(() => true)
    else if (close > 0) {
      glob.push(charClass(text.slice(at + 1, close)))
      at = close
    } else glob.push((other) => other === char)
  }
  return glob
}

/** `a-z_`, or with `!` or `^` before it none of them. */
function charClass(text: string): Fits<string> {
  const isNot = /^[!^]/.test(text)
  const body = isNot ? text.slice(1) : text
  const ranges: { low: string; high: string }[] = []
  for (let at = 0; at < body.length; at++) {
    const isRange = body.charAt(at + 1) === '-' && at + 2 < body.length
    ranges.push({ low: body.charAt(at), high: body.charAt(isRange ? at + 2 : at) })
    if (isRange) at += 2
  }
  return (char) => ranges.some(({ low, high }) => low <= char && char <= high) !== isNot
}

/** Whether all the items are as the glob says; `isCovered`: what a star may stand for. */
function fits<Item>(glob: Glob<Item>, items: ArrayLike<Item>, isCovered: Fits<Item> = () => true): boolean {
  let [token, at] = [0, 0]
  /** Behind the last star, and the first item that it does not stand for. */
  let star: { token: number; at: number } | undefined
  while (at < items.length) {
    const wanted = glob[token]
    if (wanted === '*') star = { token: ++token, at }
    else if (wanted?.(items[at] as Item) === true) [token, at] = [token + 1, at + 1]
    else if (star !== undefined && isCovered(items[star.at] as Item)) {
      star.at++
      ;[token, at] = [star.token, star.at]
    } else return false
  }
  return glob.slice(token).every((rest) => rest === '*')
}
