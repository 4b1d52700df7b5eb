/** The sample app `hello`: created through the API and deployed by a real git push, once in a home's life. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readText } from 'node:stream/consumers'
import { promisify } from 'node:util'
import type { Settings } from '../config/load.ts'
import type { Host } from '../actors/main/host.ts'

export type SampleDeps = {
  readonly settings: Settings
  readonly host: Pick<Host, 'apiUrl' | 'token'>
  /** Root of this checkout. */
  readonly project: string
  readonly progress: (text: string) => void
}

const run = promisify(execFile)
const appName = 'hello'
const pushTimeoutMs = 5 * 60_000

export const deploySample = async ({ settings, host, project, progress }: SampleDeps): Promise<void> => {
  const done = join(settings.home, 'sample.done')
  if (existsSync(done)) return
  progress(`deploying the sample app ${appName}`)
  const { status, text } = await createApp(host)
  // 422: it is there already, from a first start that was cut short.
  if (status !== 201 && status !== 422) throw new Error(`the sample app was refused: ${text}`)
  const folder = await mkdtemp(join(tmpdir(), 'manifold-sample-'))
  try {
    await cp(join(project, 'config/sample'), folder, { recursive: true })
    await push(folder, settings, host)
    await writeFile(done, '')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Not by `fetch`, which refuses some ports that an API may well listen on. */
const createApp = async (
  host: SampleDeps['host'],
): Promise<{ readonly status: number; readonly text: string }> => {
  const call = request(`${host.apiUrl}/apps`, {
    method: 'POST',
    headers: { authorization: `Bearer ${host.token}`, 'content-type': 'application/json' },
  })
  call.end(JSON.stringify({ name: appName }))
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  return { status: answer.statusCode ?? 0, text: await readText(answer) }
}

/**
 * By way of the environment: neither the token nor the authority is written into anybody's git configuration.
 */
const push = async (folder: string, settings: Settings, host: SampleDeps['host']): Promise<void> => {
  const secure = `https://localhost:${settings.port}/`
  const basic = Buffer.from(`heroku:${host.token}`).toString('base64')
  const config: Readonly<Record<string, string>> = {
    [`http.${secure}.sslCAInfo`]: join(settings.home, 'keys/ca.pem'),
    [`http.${secure}.extraHeader`]: `Authorization: Basic ${basic}`,
    'user.name': 'Manifold',
    'user.email': 'sample@manifold.local',
    'init.defaultBranch': 'main',
    'commit.gpgSign': 'false',
  }
  const pairs = Object.entries(config).flatMap(([key, value], i) => [
    [`GIT_CONFIG_KEY_${i}`, key],
    [`GIT_CONFIG_VALUE_${i}`, value],
  ])
  const env = {
    PATH: settings.searchPath,
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(Object.keys(config).length),
    ...Object.fromEntries(pairs),
  }
  const git = (...args: string[]) => run('git', args, { cwd: folder, env, timeout: pushTimeoutMs })
  await git('init', '--quiet')
  await git('add', '--all')
  await git('commit', '--quiet', '-m', 'The sample app')
  await git('push', '--quiet', `${secure}${appName}.git`, 'main')
}
