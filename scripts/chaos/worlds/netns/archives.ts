/** Source as an archive: a build of an app, or an app set up from it, followed through any host. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { AppSetup } from '../../../../src/client/answers/app-setup.ts'
import type { Build } from '../../../../src/client/answers/build.ts'
import type { ApiClient } from '../../../../src/client/client.ts'
import { noWord } from '../../history.ts'
import type { BuildStep } from '../../language.ts'
import { OpFailed } from '../../world.ts'
import { within } from './cluster.ts'
import { command } from './command.ts'
import { apiPort, type Host } from './host.ts'
import type { Lab } from './lab.ts'
import { endOf, mark, slowPack, underWayMsMax, type Begun, type Read, type Site } from './sources.ts'

type Ending = Pick<Build, 'status'> & Partial<Pick<AppSetup, 'failure_message'>>

const putMs = 10_000
const pollMs = 250
/** Whoever reads on is told why it ended in the middle. */
const lostPattern = /^ ! {5}.*(?:went down|taken for lost)/m

export const sendArchive = async (
  { lab, cluster, apis, log }: Site,
  { build: app, by, via }: BuildStep,
  folder: string,
  read: Read,
): Promise<Begun> => {
  const host = cluster.host(via)
  const version = randomBytes(4).toString('hex')
  const source_blob = { url: await upload(lab, host, folder), version }
  const { now: ask, build } =
    by === 'setup' ? await beginSetup(host, app, source_blob, read) : await beginBuild(host, app, source_blob)
  const { pathname, search, searchParams } = new URL(build.output_stream_url)
  const on = searchParams.get('on') ?? via
  const reader = apis().find((name) => name !== on) ?? via
  const stream = await cluster.host(reader).listen(pathname + search)
  let said = ''
  const streamed = new Promise<void>((resolve) => {
    stream.setEncoding('utf8').on('data', (text: string) => (said += text))
    stream.once('close', resolve)
    stream.once('error', () => undefined)
  })
  await within(underWayMsMax, `${app} to be compiled`, () => Promise.resolve(said.includes(mark)))
  const from = performance.now()
  const tookMs = (): number => Math.round(performance.now() - from)
  const follow = async (): Promise<void> => {
    let now: Ending = { status: 'pending' }
    while (now.status === 'pending') {
      await pause(pollMs)
      // Who cannot be asked now is asked again.
      now = await read(ask).catch(() => now)
    }
    const toldMs = tookMs()
    await streamed
    log(`${app} by ${by}: ${now.status} after ${toldMs} ms, its output after ${tookMs()}: ${endOf(said)}`)
    if (now.status === 'succeeded') return
    if (by === 'setup') log(`${app} failed since: ${now.failure_message ?? 'nobody says'}`)
    const isSaid = lostPattern.test(said) && (by === 'api' || (now.failure_message ?? '') !== '')
    throw new OpFailed('refused', isSaid ? 'failed' : noWord, endOf(said), via)
  }
  return { version, host: on, ended: follow() }
}

/** @returns the address of the source */
const upload = async (lab: Lab, host: Host, folder: string): Promise<string> => {
  const archive = `${folder}.tgz`
  await command(['tar', '-czf', archive, '--exclude=./.git', '-C', folder, '.'])
  const { source_blob: source } = await host.api().call('sources.create')
  const { pathname, search } = new URL(source.put_url)
  const put = await lab.exchange(
    { address: lab.network.addressOf(host.name), port: apiPort },
    {
      method: 'PUT',
      path: pathname + search,
      headers: { host: `localhost:${apiPort}` },
      body: readFileSync(archive),
      timeoutMs: putMs,
    },
  )
  if (put.status >= 300) throw new Error(`the source was not taken: ${put.status} ${put.body}`)
  return source.get_url
}

type Started = {
  readonly now: (api: ApiClient) => Promise<Ending>
  readonly build: Pick<Build, 'output_stream_url'>
}

type SourceBlob = { readonly url: string; readonly version: string }

const beginBuild = async (host: Host, app: string, source_blob: SourceBlob): Promise<Started> => {
  const body = { source_blob, buildpacks: [{ name: slowPack }] }
  const build = await host.api().call('builds.create', { params: { app }, body })
  const params = { app, build: build.id }
  return { now: async (api) => api.call('builds.info', { params }), build }
}

const beginSetup = async (host: Host, app: string, source_blob: SourceBlob, read: Read): Promise<Started> => {
  const body = { source_blob, app: { name: app }, overrides: { buildpacks: [{ url: slowPack }] } }
  const { id: setup } = await host.api().call('app-setups.create', { body })
  const now = (api: ApiClient): Promise<AppSetup> => api.call('app-setups.info', { params: { setup } })
  let build: AppSetup['build'] = null
  await within(underWayMsMax, `${app} to be built`, async () => {
    build = (await read(now)).build
    return build !== null
  })
  return { now, build: build as unknown as Started['build'] }
}
