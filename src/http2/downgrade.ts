/**
 * An HTTP/2 request head as the HTTP/1.1 head that says the same, or nothing when it is malformed (RFC 9113
 * §8.2, §8.3). Pure.
 *
 * What is made here is read by the HTTP/1.1 engine as if a client had sent it, so that there is one place
 * that decides what a request means; this one only keeps out what that reading could take for something
 * else.
 */

export type Downgraded = {
  /** Request line and headers, ended by an empty line. */
  readonly head: Buffer
  readonly method: string
  /** The body's length is not known: it goes on in chunks. */
  readonly isChunked: boolean
  /** Lower case, without port: the host that is asked for. */
  readonly host: string
  readonly agent: string
}

const tokenForm = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
const methodForm = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const pathForm = /^(?:\/[\x21-\x7e]*|\*)$/
const authorityForm = /^[^\s/@?#\\]+$/
// oxlint-disable-next-line no-control-regex
const valueForm = /^(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?$/
/** They belong to one connection of HTTP/1.1, and one of them would change the framing. */
const connectionNames = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/**
 * @param raw names and values in turn, in their order
 * @param ended no body and no trailers follow
 */
export function downgrade(raw: readonly string[], ended: boolean): Downgraded | null {
  const pseudo = new Map<string, string>()
  const lines: string[] = []
  const cookies: string[] = []
  const hosts: string[] = []
  let lengthGiven = ''
  let agent = ''
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string
    const value = raw[at + 1] as string
    if (name.startsWith(':')) {
      // After the first header a pseudo header is out of its place.
      if (pseudo.has(name) || lines.length + cookies.length + hosts.length > 0) return null
      pseudo.set(name, value)
      continue
    }
    if (!tokenForm.test(name) || !valueForm.test(value) || connectionNames.has(name)) return null
    if (name === 'te' && value !== 'trailers') return null
    if (name === 'host') hosts.push(value)
    else if (name === 'cookie') cookies.push(value)
    else lines.push(`${name}: ${value}\r\n`)
    if (name === 'content-length') lengthGiven = value
    else if (name === 'user-agent') agent = value
  }
  const line = requestLine(pseudo)
  if (line === null || (ended && !/^0*$/.test(lengthGiven))) return null
  const authority = pseudo.get(':authority')
  if (authority !== undefined && !authorityForm.test(authority)) return null
  // Two that differ are both passed on: that is refused there as two Hosts are.
  const asked = new Set(
    [...(authority === undefined ? [] : [authority]), ...hosts].map((host) => host.toLowerCase()),
  )
  const isChunked = !ended && lengthGiven === ''
  const head =
    `${line} HTTP/1.1\r\n${[...asked].map((host) => `host: ${host}\r\n`).join('')}${lines.join('')}` +
    (cookies.length === 0 ? '' : `cookie: ${cookies.join('; ')}\r\n`) +
    (isChunked ? 'transfer-encoding: chunked\r\n\r\n' : '\r\n')
  return {
    head: Buffer.from(head, 'latin1'),
    method: pseudo.get(':method') as string,
    isChunked,
    host: hostOf([...asked][0] ?? ''),
    agent,
  }
}

/** Method and target; CONNECT is well formed, and refused as it is over HTTP/1.1. */
function requestLine(pseudo: ReadonlyMap<string, string>): string | null {
  const method = pseudo.get(':method')
  const path = pseudo.get(':path')
  const scheme = pseudo.get(':scheme')
  if (method === undefined || !methodForm.test(method)) return null
  for (const name of pseudo.keys()) if (!knownPseudo.has(name)) return null
  if (method === 'CONNECT') return path === undefined && scheme === undefined ? 'CONNECT *' : null
  if (scheme !== 'http' && scheme !== 'https') return null
  if (path === undefined || !pathForm.test(path) || (path === '*' && method !== 'OPTIONS')) return null
  return `${method} ${path}`
}

const knownPseudo = new Set([':method', ':path', ':scheme', ':authority'])

function hostOf(authority: string): string {
  return authority.replace(/:\d*$/, '').replace(/\.$/, '')
}

/** Trailers as lines of a chunked body's end, or null when they are malformed. */
export function downgradeTrailers(raw: readonly string[]): string | null {
  let lines = ''
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name, value] = [raw[at] as string, raw[at + 1] as string]
    if (!tokenForm.test(name) || !valueForm.test(value) || connectionNames.has(name)) return null
    lines += `${name}: ${value}\r\n`
  }
  return lines
}
