/** Deploys an app as its user would: created through the API, pushed by git from the machine of a host. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
  const words = Object.entries(gitEnvironment(lab, host, folder)).map(([key, value]) => `${key}=${value}`)
  const script = [
    'git init --quiet',
    'git add --all',
    "git commit --quiet -m 'The app'",
    `git push https://localhost:${apiPort}/${app.name}.git main`,
  ].join(' && ')
  await command(machine.inside(['env', '-i', ...words, 'sh', '-c', `cd ${folder} && ${script}`]))
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

/** Nothing of the machine's settings; the platform's own authority and token. */
const gitEnvironment = (lab: Lab, { home }: Host, folder: string): Readonly<Record<string, string>> => {
  const secure = `https://localhost:${apiPort}/`
  const token = readFileSync(join(lab.seen(home), 'keys/owner.token'), 'utf8').trim()
  const basic = Buffer.from(`heroku:${token}`).toString('base64')
  const config = {
    [`http.${secure}.sslCAInfo`]: join(home, 'keys/ca.pem'),
    [`http.${secure}.extraHeader`]: `Authorization: Basic ${basic}`,
    'user.name': 'Chaos',
    'user.email': 'chaos@manifold.local',
    'init.defaultBranch': 'main',
  }
  const pairs = Object.entries(config).flatMap(([key, value], at) => [
    [`GIT_CONFIG_KEY_${at}`, key],
    [`GIT_CONFIG_VALUE_${at}`, value],
  ])
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_COUNT: String(pairs.length / 2),
    ...Object.fromEntries(pairs),
  }
}
