/**
 * `npm start`: a whole platform in the foreground, until SIGINT or SIGTERM. On the first start the sample app
 * is deployed by a real push before the ready line is printed.
 */
import { flushCompileCache } from 'node:module'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadSettings, SettingsError } from '../config/load.ts'
import { startHost } from '../actors/main/host.ts'
import { openLog } from '../src/system/log.ts'
import { deploySample } from './sample.ts'

const beganMs = performance.now()
const project = dirname(dirname(fileURLToPath(import.meta.url)))
const log = openLog({ stream: process.stderr })
const progress = (text: string): void => log({ at: 'starting', what: text })

const settings = (() => {
  try {
    return loadSettings()
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    console.error(error.message)
    return process.exit(2)
  }
})()

const name =
  hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-') || 'host'
const environment = Object.entries(process.env).filter(([key]) =>
  /^(MANIFOLD_|NODE_COMPILE_CACHE$|PATH$|HOME$)/.test(key),
)
const opened = startHost({
  settings,
  name,
  log,
  progress,
  shardArgv: [process.execPath, join(project, 'scripts/shard.ts')],
  watchdog: join(project, 'scripts/watchdog'),
  shardEnv: Object.fromEntries(environment.map(([key, value]) => [key, value ?? ''])),
})
const host = await opened.catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : 'unknown reason'
  console.error(`manifold could not start: ${reason}`)
  if (process.env['MANIFOLD_DEBUG'] === '1') console.error(error)
  return process.exit(1)
})

let stopping = false
const stop = async (code: number): Promise<void> => {
  if (stopping) return
  stopping = true
  log({ at: 'stopping' })
  await host.stop()
  process.exit(code)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop(0))
void host.failed.then((reason) => {
  log({ at: 'gave-up', reason })
  return stop(1)
})

for (const gap of host.gaps) console.error(`manifold: ${gap}`)
// The first host's: those who join find it there.
if (settings.sample && host.isFirst)
  await deploySample({ settings, host, project, progress }).catch((error: unknown) => {
    // The platform is well without it; the next start tries again.
    log({ at: 'sample-failed', reason: error instanceof Error ? error.message : 'unknown' })
  })
log({ at: 'ready', ms: Math.round(performance.now() - beganMs) })
if (host.joinUrl !== undefined)
  console.error(`manifold: the next host joins with MANIFOLD_JOIN=${host.joinUrl}`)
const apps = `http://<app>.${settings.appDomain}:${settings.routerPort}`
console.log(`manifold ready api=${host.apiUrl} apps=${apps} home=${settings.home}`)
// Not left to the end, which may come by SIGKILL.
flushCompileCache()
