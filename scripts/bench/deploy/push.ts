/**
 * A push as its user sees it: a repository with a big app, pushed by git over https, and when each part of it
 * was over, told from git's own trace and from what the build says.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { OwnPlatform } from './platform.ts'

/** Milliseconds of each part of one push, in their order; `whole` is from git's request to its answer. */
export type PushTimes = {
  readonly receive: number
  readonly checkout: number
  readonly buildpack: number
  readonly pack: number
  readonly storeAndRelease: number
  readonly repository: number
  readonly whole: number
}
export type Pushed = { readonly times: PushTimes; readonly answeredAtMs: number }

const run = promisify(execFile)
const pushMsMax = 300_000
const fileBytes = 256 * 1024

/** What ends each part, as git prints it. */
const marks = {
  request: /=> Send header: POST .*git-receive-pack/,
  received: /remote: Compressing source files/,
  checkedOut: /remote: -----> Building on/,
  compiled: /remote: -----> Compressing\.\.\./,
  packed: /remote: +Done: /,
  released: /remote: +Released v/,
} as const
type Mark = keyof typeof marks

/** An app of that many bytes that do not compress; its processes do next to nothing. */
export const writeBigApp = (folder: string, bytes: number): void => {
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeFileSync(join(folder, 'Procfile'), 'web: nc -lk $PORT\nworker: sleep 86400\n')
  for (let at = 0; at * fileBytes < bytes; at++)
    writeFileSync(join(folder, `data/${at}.bin`), randomBytes(fileBytes))
}

/** A small Node.js app with a dependency from the npm registry. */
export const writeSmallApp = (folder: string): void => {
  mkdirSync(folder, { recursive: true })
  const manifest = {
    name: 'small',
    private: true,
    scripts: { start: 'node server.js' },
    dependencies: { ms: '2.1.3' },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  changeApp(folder, 1)
}

/** What a developer does between two pushes. */
export const changeApp = (folder: string, at: number): void =>
  writeFileSync(
    join(folder, 'server.js'),
    `require('http').createServer((_, r) => r.end('${at}')).listen(process.env.PORT)\n`,
  )

/** The user's git: nothing of the machine's settings, the platform's own authority and token. */
export const gitEnvironment = (platform: OwnPlatform): Readonly<Record<string, string>> => {
  const secure = `https://localhost:${platform.port}/`
  const basic = Buffer.from(`heroku:${platform.token}`).toString('base64')
  const config = {
    [`http.${secure}.sslCAInfo`]: join(platform.home, 'keys/ca.pem'),
    [`http.${secure}.extraHeader`]: `Authorization: Basic ${basic}`,
    'user.name': 'Bench',
    'user.email': 'bench@manifold.local',
    'init.defaultBranch': 'main',
  }
  const pairs = Object.entries(config).flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ])
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: platform.user,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(Object.keys(config).length),
    ...Object.fromEntries(pairs),
  }
}

/** Commits everything, packed already: compressing is the pusher's own work, not the platform's. */
export const commitAll = async (folder: string, env: Readonly<Record<string, string>>): Promise<void> => {
  const git = (...args: string[]) => run('git', args, { cwd: folder, env })
  await git('init', '--quiet')
  await git('add', '--all')
  await git('commit', '--quiet', '-m', 'bench')
  await git('repack', '-adq')
}

/** Milliseconds of `tar --zstd` of the work tree into a file. */
export const packBare = async (folder: string): Promise<number> => {
  const began = performance.now()
  await run('tar', ['--zstd', '-cf', `${folder}.tar.zst`, '--exclude=.git', '-C', folder, '.'])
  return performance.now() - began
}

/** Milliseconds of `git push` into a new bare repository on this disk: git alone, with nothing behind it. */
export const pushBare = async (folder: string, env: Readonly<Record<string, string>>): Promise<number> => {
  const bare = `${folder}.git`
  // Settings of one that is there already stay.
  await run('git', ['init', '--quiet', '--bare', bare], { env })
  const began = performance.now()
  await run('git', ['-c', 'core.fsync=committed', 'push', '--quiet', `file://${bare}`, 'main'], {
    cwd: folder,
    env,
  })
  return performance.now() - began
}

/** Pushes `main` to the app and takes the times. */
export const pushApp = (platform: OwnPlatform, app: string, folder: string): Promise<Pushed> =>
  new Promise((resolve, reject) => {
    const trace = { GIT_TRACE_CURL: '2', GIT_TRACE_CURL_NO_DATA: '1' }
    const child = spawn('git', ['push', `https://localhost:${platform.port}/${app}.git`, 'main'], {
      cwd: folder,
      env: { ...gitEnvironment(platform), ...trace },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: pushMsMax,
    })
    const seen = new Map<Mark, number>()
    let text = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (const [mark, pattern] of Object.entries(marks))
        if (!seen.has(mark as Mark) && pattern.test(text)) seen.set(mark as Mark, performance.now())
    })
    child.once('error', reject)
    child.once('close', (code) => {
      const answeredAtMs = performance.now()
      const missing = Object.keys(marks).filter((mark) => !seen.has(mark as Mark))
      if (code !== 0 || missing.length > 0)
        return reject(new Error(`git push ended with ${code}, without ${missing.join(', ')}:\n${text}`))
      resolve({ times: between(seen, answeredAtMs), answeredAtMs })
    })
  })

const between = (seen: ReadonlyMap<Mark, number>, endMs: number): PushTimes => {
  const at = (mark: Mark): number => seen.get(mark) ?? 0
  return {
    receive: at('received') - at('request'),
    checkout: at('checkedOut') - at('received'),
    buildpack: at('compiled') - at('checkedOut'),
    pack: at('packed') - at('compiled'),
    storeAndRelease: at('released') - at('packed'),
    repository: endMs - at('released'),
    whole: endMs - at('request'),
  }
}
