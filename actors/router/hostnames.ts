/** Hostnames as routes are looked up by, and the wildcards that they are under. Pure. */

/** Lower case, no trailing dot, no port. */
export const normalHost = (host: string): string => {
  const name = host.toLowerCase().replace(/:\d+$/, '')
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** So many are looked for, those with the fewest labels: a client makes up names of any length. */
const wildcardsMax = 8

/**
 * `*.b.example.com` and `*.example.com` for `a.b.example.com`: a wildcard covers names of any depth, and the
 * nearest counts.
 */
export const wildcardsOf = (hostname: string): readonly string[] => {
  const labels = hostname.split('.')
  return labels
    .slice(1, -1)
    .map((_, at) => `*.${labels.slice(at + 1).join('.')}`)
    .slice(-wildcardsMax)
}
