/**
 * A drain's address out of its URL, with all that a sink needs of it: `syslog://host[:601]`,
 * `syslog+tls://host[:6514]`, `http://…`, `https://…`. The fragment `#insecure` takes a receiver's
 * certificate as it is. Pure.
 */

export type DrainScheme = keyof typeof portsByDefault

export type DrainAddress = {
  readonly scheme: DrainScheme
  /** To connect to: a name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
  /** Null: no TLS. `verified` false: `#insecure`. */
  readonly tls: { readonly verified: boolean } | null
  /** Path and query of a request; `/` of a syslog drain, which has none. */
  readonly target: string
  /** Of HTTP: the value of `Authorization`, out of the user info. */
  readonly authorization: string | undefined
  /** The URL as it may stand in logs: without user info, query (which holds keys of some) and fragment. */
  readonly shown: string
}

/** What is wrong with a drain's URL, in words for who gave it. */
export class DrainUrlInvalid extends Error {
  override readonly name = 'DrainUrlInvalid'
  readonly code = 'drain_url_invalid'
  readonly why: string
  constructor(why: string) {
    super(`Invalid drain URL: ${why} (${allowed})`)
    this.why = why
  }
}

const portsByDefault = { syslog: 601, 'syslog+tls': 6514, http: 80, https: 443 }
const urlBytesMax = 2048
const allowed = 'allowed: syslog://host:port, syslog+tls://host:port, http://host/path, https://host/path'

/** @throws DrainUrlInvalid */
export const parseDrainUrl = (text: string): DrainAddress => {
  if (text.length > urlBytesMax) throw invalid(`it is longer than ${urlBytesMax} characters`)
  // Whoever parses URLs drops these without a word.
  if (/[\0-\x20\x7f]/.test(text)) throw invalid('it holds a blank or a control character')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase() ?? ''
  if (!isScheme(scheme)) throw invalid(scheme === '' ? 'it has no scheme' : `its scheme is ${scheme}`)
  const { url, port = portsByDefault[scheme] } = asWebUrl(text.slice(scheme.length))
  const isHttp = scheme === 'http' || scheme === 'https'
  if (!isHttp && (url.username !== '' || url.password !== ''))
    throw invalid('only http and https have a user')
  if (!isHttp && (url.pathname !== '/' || url.search !== '')) throw invalid('only http and https have a path')
  if (port === 0) throw invalid('its port is 0')
  const isTls = scheme === 'https' || scheme === 'syslog+tls'
  const shownPort = port === portsByDefault[scheme] ? '' : `:${port}`
  return {
    scheme,
    host: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port,
    tls: isTls ? { verified: url.hash !== '#insecure' } : null,
    target: `${url.pathname}${url.search}`,
    authorization: authorizationOf(url),
    shown: `${scheme}://${url.hostname}${shownPort}${url.pathname}`,
  }
}

const invalid = (why: string): DrainUrlInvalid => new DrainUrlInvalid(why)

const isScheme = (scheme: string): scheme is DrainScheme => Object.hasOwn(portsByDefault, scheme)

/** What follows any of the schemes, read by the rules of the web, which alone know what a host is. */
const asWebUrl = (rest: string): { readonly url: URL; readonly port: number | undefined } => {
  const url = URL.parse(`http${rest}`)
  if (url === null) throw invalid('its host or port cannot be read')
  // A port that is the scheme's own is taken for none: no two schemes have the same.
  const port = url.port || (URL.parse(`https${rest}`)?.port ?? '')
  return { url, port: port === '' ? undefined : Number(port) }
}

const authorizationOf = ({ username, password }: URL): string | undefined => {
  if (username === '' && password === '') return undefined
  try {
    const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return `Basic ${Buffer.from(user).toString('base64')}`
  } catch {
    throw invalid('its user info is not percent-encoded UTF-8')
  }
}
