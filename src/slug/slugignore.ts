/**
 * .slugignore: which of a source tree's paths are dropped before the buildpacks run. Pure.
 *
 * As Heroku's slug compiler reads it (spec/dyno.md §2.3): patterns are separated by any white space, `#`
 * cuts a comment, a pattern with a slash is matched at the root only, any other one at every depth; there
 * is no negation. Globs follow Ruby's Dir.glob: `*` and `?` match neither a slash nor a leading dot.
 */
export function parseSlugignore(text: string): RegExp[] {
  return text
    .split('\n')
    .flatMap((line) => (line.split('#')[0] ?? '').split(/\s+/))
    .filter((pattern) => pattern !== '')
    .flatMap((pattern) => {
      const trimmed = pattern.replace(/^\.?\/+/, '').replace(/\/+$/, '')
      if (trimmed === '' || trimmed.split('/').includes('..')) return []
      const depth = pattern.replace(/\/+$/, '').includes('/') || pattern.endsWith('/') ? '' : anyDepth
      return [new RegExp(`^${depth}${translate(trimmed)}$`)]
    })
}

/**
 * The paths (relative, `/` between parts) that a .slugignore drops; what lies in a dropped directory is not
 * listed.
 */
export function slugignored(paths: readonly string[], text: string): string[] {
  const patterns = parseSlugignore(text)
  const hit = new Set(paths.filter((path) => patterns.some((pattern) => pattern.test(path))))
  return [...hit].filter((path) => !ancestors(path).some((each) => hit.has(each)))
}

const anyDepth = '(?:(?!\\.)[^/]+/)*'

function translate(glob: string): string {
  return glob
    .split('/')
    .map((part) => (part === '**' ? '**' : translatePart(part)))
    .join('/')
    .replaceAll('**/', anyDepth)
    .replaceAll('**', '(?!\\.)[^/]*')
}

function translatePart(part: string): string {
  let out = /^[*?[]/.test(part) ? '(?!\\.)' : ''
  let braces = 0
  for (let at = 0; at < part.length; at++) {
    const char = part.charAt(at)
    const close = char === '[' ? part.indexOf(']', at + 2) : -1
    if (char === '*') out += out.endsWith('[^/]*') ? '' : '[^/]*'
    else if (char === '?') out += '[^/]'
    else if (close > 0) {
      out += `[${part
        .slice(at + 1, close)
        .replace(/^[!^]/, '^')
        .replaceAll('\\', '\\\\')}]`
      at = close
    } else if (char === '{' && part.includes('}', at)) {
      braces++
      out += '(?:'
    } else if (char === '}' && braces > 0) {
      braces--
      out += ')'
    } else if (char === ',' && braces > 0) out += '|'
    else out += char.replace(/[\\^$.*+?()[\]{}|]/, '\\$&')
  }
  return out + ')'.repeat(braces)
}

function ancestors(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(0, -1).map((_, end) => parts.slice(0, end + 1).join('/'))
}
