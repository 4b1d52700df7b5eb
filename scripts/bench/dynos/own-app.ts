/**
 * Apps of a bench's own platform: pushed once as a Procfile and a file or two, then scaled as needed.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { OwnPlatform } from '../deploy/platform.ts'
import { commitAll, gitEnvironment, pushApp } from '../deploy/push.ts'

type Dyno = { readonly name: string; readonly type: string; readonly state: string }

const pollMs = 500

/** Creates the app and pushes these files to it. Its web type is scaled to nothing if it has one. */
export const pushOwnApp = async (
  platform: OwnPlatform,
  app: string,
  files: Readonly<Record<string, string>>,
): Promise<void> => {
  const folder = join(platform.user, app)
  mkdirSync(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  await commitAll(folder, gitEnvironment(platform))
  await platform.api('POST', '/apps', { name: app })
  await pushApp(platform, app, folder)
}

/** Resolves when so many dynos of the type are up and no other is left of it. */
export const scaleTo = async (
  platform: OwnPlatform,
  app: string,
  type: string,
  quantity: number,
  msMax: number,
): Promise<void> => {
  await platform.api('PATCH', `/apps/${app}/formation/${type}`, { quantity })
  const beganMs = performance.now()
  for (;;) {
    const dynos = await platform.api<readonly Dyno[]>('GET', `/apps/${app}/dynos`)
    const ours = dynos.filter((dyno) => dyno.type === type)
    if (ours.length === quantity && ours.every(({ state }) => state === 'up')) return
    if (performance.now() - beganMs > msMax)
      throw new Error(`${type} of ${app} is not ${quantity} in time:\n${platform.output().slice(-4_000)}`)
    await pause(pollMs)
  }
}
