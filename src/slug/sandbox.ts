/**
 * What a build asks of whoever isolates it: run one command with these directories mounted, and give its
 * output.
 *
 * The slug compiler never runs a buildpack itself; it is handed a `Sandbox` (a container, or plain
 * processes with the paths mapped). Targets are absolute paths that appear literally in argv, cwd and env,
 * so that a sandbox without mounts can put the sources in their place.
 */
export type Mount = { readonly source: string; readonly target: string; readonly mode: 'ro' | 'rw' }

export type Job = {
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly mounts: readonly Mount[]
  /** Names that lead to these addresses; with any, ports below 1024 of the sandbox's own are free to use. */
  readonly hosts?: Readonly<Record<string, string>>
  /** stdout and stderr, merged, as they come. */
  readonly onOutput: (bytes: Buffer) => void
  readonly signal?: AbortSignal
  readonly timeoutMs: number
}

/** Rejects only when the job could not be run or was cancelled; a failing command is an answer. */
export type Sandbox = (job: Job) => Promise<{ code: number; timedOut: boolean }>

/**
 * Variables of the platform's own environment that builds may be given (the caller picks the values that
 * make sense inside the sandbox): where npm and git fetch from and whom they trust. Nothing else of the
 * host is passed on.
 */
export const passedVariables = [
  'npm_config_registry',
  'npm_config_cafile',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
] as const

/** Picks the variables above out of an environment. */
export const passEnv = (env: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    passedVariables.flatMap((name) => {
      const value = env[name]
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )

/**
 * For a sandbox without mounts: a text (argument, directory, variable) with every mount's target replaced by
 * its source. One pass, so that a source that happens to contain a target's name is left alone; only whole
 * path components count.
 */
export function placer(mounts: readonly Mount[]): (text: string) => string {
  const sources = new Map(mounts.map(({ source, target }) => [target, source]))
  // The longest first: of /app and /app/x the more special one is meant.
  const targets = [...sources.keys()]
    .toSorted((a, b) => b.length - a.length)
    .map((each) => RegExp.escape(each))
  if (targets.length === 0) return (text) => text
  const pattern = new RegExp(`(?<![\\w/.-])(?:${targets.join('|')})(?![\\w.-])`, 'g')
  return (text) => text.replaceAll(pattern, (target) => sources.get(target) ?? target)
}
