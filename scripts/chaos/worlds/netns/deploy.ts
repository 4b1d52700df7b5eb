/** Deploys an app as its user would: created through the API, pushed by git from the machine of a host. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ApiRefused } from '../../../../src/client/client.ts'
import type { AppSpec } from '../../language.ts'
import { filesOf } from '../app.ts'
import { within } from './cluster.ts'
import { command } from './command.ts'
import { apiPort, type Host } from './host.ts'
import type { Lab } from './lab.ts'

const createTriesMax = 20
const createAgainMs = 500
const createdMsMax = 30_000

/** Leaves the app with no dyno but what a first release starts: scaling is the caller's. */
export const deploy = async (lab: Lab, host: Host, app: AppSpec, linesPerSecond: number): Promise<void> => {
  await create(host, app.name)
  const folder = join(lab.folder, 'apps', app.name)
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(filesOf(app, linesPerSecond)))
    writeFileSync(join(folder, name), text)
  const machine = lab.machine(host.name)
  if (machine === undefined) throw new Error(`${host.name} has no power`)
  const script = [
    `cd ${folder}`,
    `. ${host.home}/env`,
    'git init --quiet -b main',
    'git add --all',
    `git ${author} commit --quiet -m 'The app'`,
    `git push https://localhost:${apiPort}/${app.name}.git main`,
  ].join(' && ')
  const settings = Object.entries(gitSettings(host, folder)).map(([key, value]) => `${key}=${value}`)
  await command(machine.inside(['env', '-i', ...settings, 'sh', '-c', script]))
}

/** A cluster that has just come together may not answer in time: then nobody knows, and it is asked again. */
const create = async (host: Host, name: string): Promise<void> => {
  for (let tries = 1; ; tries++) {
    try {
      await host.api().call('apps.create', { body: { name } })
      return
    } catch (error) {
      if (!(error instanceof ApiRefused)) throw error
      // The name is taken by a try before this one, which may not be through yet.
      if (error.code === 'invalid_params' && tries > 1) return thereSoon(host, name)
      if (error.status < 500 || tries === createTriesMax) throw error
    }
    await pause(createAgainMs)
  }
}

const thereSoon = (host: Host, name: string): Promise<void> =>
  within(createdMsMax, `${name} to be there`, async () => {
    const found = await host
      .api()
      .call('apps.info', { params: { app: name } })
      .catch((error: unknown) => {
        if (!(error instanceof ApiRefused)) throw error
      })
    return found !== undefined
  })

export const author = '-c user.name=Chaos -c user.email=chaos@manifold.local'

/** What a user has in the shell before the host's own, and nothing of this machine's settings. */
export const gitSettings = (host: Host, folder: string): Readonly<Record<string, string>> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: folder,
  HEROKU_API_KEY: host.token(),
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
})
