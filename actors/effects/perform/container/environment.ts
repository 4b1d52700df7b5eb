/**
 * What a process finds when it starts: its environment, its command, and the file that says who it is. Pure.
 * Source: spec sheet dyno §1.10 (devcenter "Dynos", "Profile", "Runtime metadata").
 */
import type { Run } from '../../../protocols/shapes.ts'

export type Place = {
  /** `/app` as the process sees it. */
  readonly appDir: string
  readonly port: number
  /** Apps answer at their name under it. */
  readonly domain: string
}

const searchPath = '/usr/local/bin:/usr/bin:/bin'

/**
 * Config vars first, a one-off's own over them; what the platform says last, but for PATH, which an app may
 * set.
 */
export const processEnv = (
  run: Run,
  vars: Readonly<Record<string, string>>,
  { appDir, port, domain }: Place,
): Record<string, string> => ({
  PATH: searchPath,
  ...(run.features?.includes('runtime-dyno-metadata') === true ? metadata(run, domain) : {}),
  ...vars,
  ...run.env,
  HOME: appDir,
  DYNO: run.name,
  PORT: String(port),
})

/** Heroku's names for who and what this is (devcenter "Dyno Metadata"). */
const metadata = (run: Run, domain: string): Record<string, string> => {
  const { commit } = run.slug
  const description = descriptionOf(run)
  return {
    HEROKU_APP_ID: run.appId,
    HEROKU_APP_NAME: run.appName,
    HEROKU_APP_DEFAULT_DOMAIN_NAME: `${run.appName}.${domain}`,
    HEROKU_DYNO_ID: run.id,
    ...(run.releasedAt === undefined
      ? {}
      : { HEROKU_RELEASE_CREATED_AT: new Date(run.releasedAt).toISOString().replace(/\.\d+/, '') }),
    HEROKU_RELEASE_VERSION: `v${run.releaseVersion}`,
    HEROKU_BUILD_COMMIT: commit,
    HEROKU_BUILD_DESCRIPTION: description,
    HEROKU_SLUG_COMMIT: commit,
    HEROKU_SLUG_DESCRIPTION: description,
  }
}

const commitDigits = 8
const descriptionOf = ({ slug: { commit, description } }: Run): string =>
  description === '' ? `Deploy ${commit.slice(0, commitDigits)}` : description

/** Of a session in a running dyno: without config vars. */
export const sessionEnv = (
  { name }: Run,
  { appDir, port }: Pick<Place, 'appDir' | 'port'>,
): Record<string, string> => ({ PATH: searchPath, HOME: appDir, DYNO: name, PORT: String(port) })

/** `.profile.d/*.sh`, then `.profile`, then the command in the shell that they prepared. */
const profile = `cd "$HOME"
for file in "$HOME"/.profile.d/*.sh; do [ ! -r "$file" ] || . "$file"; done
[ ! -r "$HOME/.profile" ] || . "$HOME/.profile"
unset file
exec bash -c "$1"`

export const processArgv = (command: string): readonly string[] => ['bash', '-c', profile, 'bash', command]

/** /etc/heroku/dyno. */
export const dynoFile = (run: Run): string =>
  JSON.stringify({
    dyno: { physical_id: run.id, size: run.size, name: run.name },
    app: { id: run.appId, name: run.appName },
    release: { id: run.releaseVersion, commit: run.slug.commit, description: descriptionOf(run) },
  })

/** Heroku's dynos listen anywhere in this range. */
export const portRange = { from: 3_000, to: 60_000 } as const
