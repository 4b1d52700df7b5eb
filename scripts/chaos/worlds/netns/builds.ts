/**
 * Source sent in by users: an archive through the API, for an app or as one, or a push. What is on record of
 * it is asked of hosts that can be reached.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FinalBuild } from '../../history.ts'
import type { BuildStep } from '../../language.ts'
import { OpFailed, type Builders } from '../../world.ts'
import { filesOf } from '../app.ts'
import { operate } from '../clients.ts'
import { sendArchive } from './archives.ts'
import { within } from './cluster.ts'
import { sendPush } from './pushes.ts'
import { mark, slowPack, type Read, type Site } from './sources.ts'

/** The source says how long it takes, in seconds of its own: those in which it stands still do not count. */
const packFiles = {
  detect: `#!/bin/sh\necho ${slowPack}\n`,
  compile: `#!/bin/sh\necho '${mark}'\nfor _ in $(seq "$(cat "$1/seconds")"); do sleep 1; done\n`,
  release: '#!/bin/sh\necho "--- {}"\n',
}
const programMode = 0o755
const callMs = 10_000
const upMsMax = 60_000
const commitDigits = 8

/** `close` ends the pushes that still go. */
export const buildersOf = (site: Site): Builders & { readonly close: () => void } => {
  const { lab, cluster, apis } = site
  const closing = new AbortController()
  let turn = 0
  let last: string | undefined
  const read: Read = async (ask) => {
    const hosts = apis()
    const via = hosts[turn++ % Math.max(1, hosts.length)]
    if (via === undefined) throw new OpFailed('failed', 'ECONNREFUSED', 'no API can be reached')
    return operate(via, cluster.host(via).api(callMs), ask)
  }
  const sourceOf = ({ build, seconds }: BuildStep): string => {
    const folder = join(lab.folder, 'apps', build)
    mkdirSync(folder, { recursive: true })
    const types = { web: { does: 'web', quantity: 1 } } as const
    const files = { ...filesOf({ name: build, types }, 1), seconds: String(seconds), 'app.json': '{}' }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    return folder
  }
  return {
    begin: async (step) => {
      for (const name of cluster.names) offerPack(lab.seen(cluster.host(name).home))
      // It may be on its way up again.
      await within(upMsMax, `${step.via} to be up`, () => Promise.resolve(apis().includes(step.via)))
      const folder = sourceOf(step)
      const begun =
        step.by === 'push'
          ? await sendPush(site, step, folder, closing.signal)
          : await sendArchive(site, step, folder, read)
      last = begun.host
      return begun
    },
    last: () => last,
    builds: async (app): Promise<readonly FinalBuild[]> => {
      const of = { params: { app } }
      const builds = await read((api) => api.call('builds.list', of))
      const releases = await read((api) => api.call('releases.list', of))
      return builds.map(({ status, source_blob: { version } }) => {
        const text = `Deploy ${(version ?? '').slice(0, commitDigits)}`
        const isReleased = releases.some(({ description }) => description === text)
        return { app, version: version ?? '', status, isReleased }
      })
    },
    close: () => closing.abort(),
  }
}

const offerPack = (home: string): void => {
  const folder = join(home, 'registry', slowPack, 'bin')
  mkdirSync(folder, { recursive: true })
  for (const [name, text] of Object.entries(packFiles))
    writeFileSync(join(folder, name), text, { mode: programMode })
}
