/**
 * What a process finds when it starts: its environment, its command, and the file that says who it is. Pure.
 * Source: spec sheet dyno §1.10 (devcenter "Dynos", "Profile", "Runtime metadata").
 */
import type { Run } from '../../../protocols/shapes.ts'

export type Place = {
  /** `/app` as the process sees it. */
  readonly appDir: string
  readonly port: number
}

const searchPath = '/usr/local/bin:/usr/bin:/bin'

/**
 * Config vars first, a one-off's own over them; what the platform says last, but for PATH, which an app may
 * set.
 */
export const processEnv = (
  run: Run,
  vars: Readonly<Record<string, string>>,
  { appDir, port }: Place,
): Record<string, string> => ({
  PATH: searchPath,
  ...vars,
  ...run.env,
  HOME: appDir,
  DYNO: run.name,
  PORT: String(port),
})

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
    release: { id: run.releaseVersion, commit: run.slug.commit, description: run.slug.description },
  })

/** Heroku's dynos listen anywhere in this range. */
export const portRange = { from: 3_000, to: 60_000 } as const
