/** A push from where the clients are to one host, with what a user of that host has in the shell. */
import { spawn } from 'node:child_process'
import type { BuildStep } from '../../language.ts'
import { OpFailed } from '../../world.ts'
import { within } from './cluster.ts'
import { command } from './command.ts'
import { author, gitSettings } from './deploy.ts'
import { apiPort } from './host.ts'
import { endOf, mark, slowPack, underWayMsMax, type Begun, type Site } from './sources.ts'

/** @param closing ends it, whatever it waits for */
export const sendPush = async (
  { lab, cluster, log }: Site,
  { build: app, via }: BuildStep,
  folder: string,
  closing: AbortSignal,
): Promise<Begun> => {
  const host = cluster.host(via)
  const packs = { params: { app }, body: { updates: [{ buildpack: slowPack }] } }
  await host.api().call('buildpack-installations.update', packs)
  const git = ['git', '-C', folder, ...author.split(' ')]
  await command([...git, 'add', '--all'])
  await command([...git, 'commit', '--quiet', '--allow-empty', '-m', 'Again'])
  const version = (await command([...git, 'rev-parse', 'HEAD'])).trim()
  // Its API is `localhost` in all that it says and shows; the clients are elsewhere.
  const settings = Object.entries({
    ...gitSettings(host, folder),
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.curloptResolve',
    GIT_CONFIG_VALUE_0: `localhost:${apiPort}:${lab.network.addressOf(via)}`,
  }).map(([key, value]) => `${key}=${value}`)
  const push = `git push https://localhost:${apiPort}/${app}.git HEAD:main 2>&1`
  const script = `cd ${folder} && . ${host.home}/env && exec ${push}`
  const [file = '', ...args] = lab.inside(['env', '-i', ...settings, 'sh', '-c', script])
  const from = performance.now()
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'], detached: true })
  const kill = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }
  closing.addEventListener('abort', kill, { once: true })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
  const follow = async (): Promise<void> => {
    const code = await exited.finally(() => closing.removeEventListener('abort', kill))
    log(`${app} by push: ended with ${code} after ${Math.round(performance.now() - from)} ms: ${endOf(said)}`)
    if (code === 0) return
    throw new OpFailed(said.includes('rejected') ? 'refused' : 'failed', String(code), endOf(said), via)
  }
  const ended = follow()
  // Told to who waits for its end, also when it ends before that.
  ended.catch(() => undefined)
  await within(underWayMsMax, `${app} to be compiled`, () => Promise.resolve(said.includes(mark)))
  return { version, host: via, ended }
}
