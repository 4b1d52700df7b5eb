/**
 * The Procfile's grammar: `type: command` lines. Pure.
 *
 * A superset of what Heroku's own readers take (spec/dyno.md §2.4): CRLF and a byte order mark are
 * tolerated, lines that do not fit or hold a NUL byte are ignored, the later of two equal types wins; what
 * follows the colon is the shell's business.
 */
const line = /^\s*([A-Za-z0-9][A-Za-z0-9_-]*)\s*:\s*(\S.*?)\s*$/

/** Process types with their commands, in the order of the file. */
export function parseProcfile(text: string): Record<string, string> {
  const types = new Map<string, string>()
  for (const each of text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)) {
    if (/^\s*#/.test(each) || each.includes('\0')) continue
    const [, type, command] = line.exec(each) ?? []
    if (type !== undefined && command !== undefined) types.set(type, command)
  }
  return Object.fromEntries(types)
}
