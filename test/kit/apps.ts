/** Small real apps for the end-to-end tests, as folders of a user with git in them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Platform } from './platform.ts'
import { until } from './until.ts'

export type Files = Readonly<Record<string, string>>

const server = `import { createServer } from 'node:http'
const { PORT, DYNO, GREETING = 'hello' } = process.env
createServer((request, response) => {
  console.log('served ' + request.url)
  if (request.url === '/crash') process.exit(3)
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ greeting: GREETING, dyno: DYNO, headers: request.headers }))
}).listen(PORT)
process.on('SIGTERM', () => process.exit(0))
`

/** Answers every request with its greeting, dyno and headers; ends itself on /crash. */
export const webApp = (name: string): Files => ({
  'package.json': JSON.stringify({
    name,
    version: '1.0.0',
    type: 'module',
    engines: { node: '26.x' },
    scripts: { start: 'node server.js' },
  }),
  'server.js': server,
  'worker.js': `setInterval(() => console.log('tick ' + process.env.DYNO), 200)\n`,
  Procfile: 'web: npm start\nworker: node worker.js\n',
})

/** Runs as it is, with what every stack has. */
export const procfileApp = (command: string, type = 'web'): Files => ({ Procfile: `${type}: ${command}\n` })

export const writeApp = (folder: string, files: Files): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

/** Makes the folder a repository, or commits what changed in it. */
export const commitApp = async (platform: Platform, folder: string, message: string): Promise<void> => {
  const { code, stderr, stdout } = await platform.sourced(
    `git init -q 2>/dev/null; git add -A && git commit -q -m ${JSON.stringify(message)} && git log -1 --format=%h`,
    { cwd: folder },
  )
  if (code !== 0) throw new Error(`commit failed: ${stdout}${stderr}`)
}

/** Releases files as they are, without a build: the quickest way to code that runs.
 * @returns the version, once it holds */
export const releaseFiles = async (
  { api }: Platform,
  app: string,
  files: Files,
  what: { readonly process_types: Readonly<Record<string, string>>; readonly commit: string },
): Promise<number> => {
  const slug = await api('POST', `/apps/${app}/slugs`, what)
  const folder = mkdtempSync(join(tmpdir(), 'manifold-files-'))
  try {
    writeApp(join(folder, 'app'), files)
    const body = execFileSync('tar', ['-cz', '-C', folder, './app'], { env: { PATH: process.env['PATH'] } })
    const put = await fetch(String(slug.blob.url).replace('localhost', '127.0.0.1'), { method: 'PUT', body })
    if (!put.ok) throw new Error(`PUT of a slug: ${put.status} ${await put.text()}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
  const { version } = await api('POST', `/apps/${app}/releases`, { slug: slug.id })
  const status = async (): Promise<string> => (await api('GET', `/apps/${app}/releases/${version}`)).status
  await until(async () => (await status()) === 'succeeded', { what: `v${version} of ${app}` })
  return version
}
