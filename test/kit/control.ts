/**
 * The control actors as the API sees them, in memory: answers each question at once by the rules of the
 * protocols. For tests of the API alone; the actors themselves have their own.
 */
import { createHash } from 'node:crypto'
import { randomUUID } from 'node:crypto'
import type { Edge } from '../../actors/api/edge.ts'
import { findDynoSize } from '../../config/dyno-sizes.ts'
import * as access from '../../actors/app/access.ts'
import * as drains from '../../actors/app/drains.ts'
import * as endpoints from '../../actors/app/endpoints.ts'
import { newApp, type AppRecord } from '../../actors/app/record.ts'
import type { AppView, DrainView, EndpointView, Grant } from '../../actors/protocols/app.ts'
import { buildKey } from '../../actors/protocols/build-record.ts'
import type { BuildJob, BuildView } from '../../actors/protocols/build.ts'
import type { DynoView, ProcessType, Release, Slug, Who } from '../../actors/protocols/shapes.ts'
import { performAccess } from '../../actors/effects/perform/access.ts'
import type { Store } from '../../src/ports/store.ts'
import { AskFailed } from '../../src/runtime/errors.ts'
import { accessQuestions } from './app-access.ts'
import { pipelineQuestions } from './pipelines.ts'
import { teamQuestions } from './teams.ts'
import { webhookQuestions } from './webhooks.ts'

type Pair = EndpointView['pair']
type Target = Pick<DrainView, 'url' | 'telemetry'>
type Message = { readonly type: string } & Readonly<Record<string, unknown>>
type Kept = { app: AppView; releases: Release[]; types: ProcessType[]; dynos: DynoView[] }

const now = Date.UTC(2026, 10, 23, 6, 0, 0)
const times = { createdAt: now, updatedAt: now }

export type Control = {
  readonly node: Pick<Edge, 'ask' | 'tell'>
  readonly vault: Edge['vault']
  /** Every question asked, newest last. */
  readonly asked: Message[]
  readonly told: Message[]
  /** The next question to `actor` fails so. */
  readonly failNext: (actor: string, failure: ConstructorParameters<typeof AskFailed>[0]) => void
}

export const slug = (commit: string): Slug => ({
  id: randomUUID(),
  sha256: 'ab'.repeat(32),
  bytes: 1234,
  stack: 'heroku-24',
  commit,
  description: 'a commit',
  processTypes: { web: 'node web.js', worker: 'node worker.js' },
  buildpackDescription: 'Node.js',
  createdAt: now,
})

export const control = (store: Store): Control => {
  const apps = new Map<string, Kept>()
  const configs = new Map<string, Record<string, string>>([['', {}]])
  const builds = new Map<string, BuildJob>()
  const failures = new Map<string, AskFailed>()
  const asked: Message[] = []
  const told: Message[] = []
  const refuse = (code: string, reason: string): never => {
    throw new AskFailed({ kind: 'refused', code, reason }, 'the test control')
  }
  const claim = async (name: string, appId: string): Promise<void> => {
    const value = Buffer.from(JSON.stringify({ appId }))
    await store.create(`name/app/${name}`, value).catch(() => refuse('name_taken', `${name} is taken`))
  }
  const release = (kept: Kept, by: Who, change: Pick<Release, 'description'> & Partial<Release>): Release => {
    const last = kept.releases.at(-1)
    const made: Release = {
      id: randomUUID(),
      version: (last?.version ?? 0) + 1,
      status: 'succeeded',
      userId: by.id,
      userEmail: by.email,
      configId: last?.configId ?? '',
      slug: last?.slug ?? null,
      ...times,
      ...change,
    }
    kept.releases.push(made)
    return made
  }
  const settled = <T>(kept: Kept, decide: (app: AppView) => endpoints.Outcome<T>): T => {
    const outcome = decide(kept.app)
    if ('code' in outcome) return refuse(outcome.code, outcome.reason)
    kept.app = { ...kept.app, ...outcome.change }
    return outcome.answer
  }
  const asRecord = ({ app }: Kept): AppRecord => ({ ...newApp(app, now), app })
  const drained = (kept: Kept, decide: (a: AppRecord) => drains.Outcome): DrainView => {
    const outcome = decide(asRecord(kept))
    if ('code' in outcome) return refuse(outcome.code, outcome.reason)
    kept.app = outcome.a.app
    return outcome.drain
  }
  const lists = performAccess(store)['access.show'] as (args: object) => Promise<void>
  const listed = ({ app }: Kept, former: readonly string[] = []): Promise<void> =>
    lists({
      appId: app.id,
      name: app.name,
      offer: app.offer === undefined ? undefined : (app.offer?.id ?? null),
      users: access.usersOf(app),
      former,
    })
  const granted = async <T>(kept: Kept, outcome: access.Outcome<T>): Promise<T> => {
    if ('code' in outcome) return refuse(outcome.code, outcome.reason)
    kept.app = outcome.a.app
    await listed(kept, outcome.a.former)
    return outcome.answer
  }
  const deploy = (kept: Kept, m: Message): Release => {
    const built = m['slug'] as Slug
    const type = (name: string, quantity: number): ProcessType => {
      const command = built.processTypes[name] ?? ''
      return { id: randomUUID(), type: name, command, quantity, size: 'Basic', singleton: false, ...times }
    }
    kept.types = [type('web', 1), type('worker', 0)]
    kept.dynos = [dyno(kept, 'web.1', 'node web.js')]
    return release(kept, m['by'] as Who, { description: m['description'] as string, slug: built })
  }
  const ofApp = (key: string): Kept => apps.get(key) ?? refuse('not_found', 'no such app')

  const questions: Readonly<Record<string, (key: string, m: Message) => unknown>> = {
    ...webhookQuestions({ refuse, now }),
    ...pipelineQuestions({ store, refuse, now, app: ofApp, deploy: (id, m) => deploy(ofApp(id), m) }),
    ...teamQuestions({
      store,
      refuse,
      now,
      show: lists,
      hasApps: (id) => [...apps.values()].some(({ app }) => app.owner.id === id),
    }),
    async 'app.create'(id, m) {
      const known = apps.get(id)
      if (known !== undefined) return known.app
      await claim(m['name'] as string, id)
      const app: AppView = {
        id,
        name: m['name'] as string,
        owner: m['owner'] as Who,
        team: (m['team'] ?? null) as Exclude<AppView['team'], undefined>,
        collaborators: 'grant' in m ? [{ id: randomUUID(), ...(m['grant'] as Grant), ...times }] : [],
        region: m['region'] as string,
        stack: m['stack'] as string,
        buildStack: m['stack'] as string,
        maintenance: false,
        buildpacks: [],
        buildpackDescription: null,
        domains: [],
        features: [],
        repoBytes: null,
        slugBytes: null,
        releasedAt: null,
        ...times,
      }
      const kept: Kept = { app, releases: [], types: [], dynos: [] }
      release(kept, app.owner, { description: 'Initial release' })
      release(kept, app.owner, { description: 'Enable Logplex' })
      apps.set(id, kept)
      await listed(kept)
      return app
    },
    'app.info': (key) => ofApp(key).app,
    'app.change'(key, { type: _type, ...change }) {
      const kept = ofApp(key)
      kept.app = { ...kept.app, ...change }
      return kept.app
    },
    ...accessQuestions((key, decide) => {
      const kept = ofApp(key)
      return granted(kept, decide(asRecord(kept)))
    }),
    'app.feature'(key, { name, enabled }) {
      const kept = ofApp(key)
      const others = kept.app.features.filter((other) => other !== name)
      kept.app = { ...kept.app, features: enabled === true ? [...others, name as string] : others }
      return kept.app
    },
    async 'app.changeLogTokens'(key, m) {
      const kept = ofApp(key)
      const [add, remove] = [m['add'] as string[], m['remove'] as string[]]
      const old = (kept.app.logTokens ?? []).filter(({ name }) => !remove.includes(name))
      const fresh = add.filter((name) => !old.some((one) => one.name === name))
      const made = fresh.map((name) => ({ token: `t.${randomUUID()}`, name, createdAt: now }))
      const held = Buffer.from(JSON.stringify({ appId: key }))
      for (const { token } of made) await store.create(`name/token/${token}`, held)
      kept.app = { ...kept.app, logTokens: [...old, ...made] }
      return { tokens: kept.app.logTokens }
    },
    async 'app.rename'(key, m) {
      const kept = ofApp(key)
      await claim(m['name'] as string, key)
      await store.remove(`name/app/${kept.app.name}`)
      kept.app = { ...kept.app, name: m['name'] as string }
      await listed(kept)
      return kept.app
    },
    'app.addDomain'(key, m) {
      const kept = ofApp(key)
      const hostname = m['hostname'] as string
      if (hostname === 'taken.example.com') refuse('hostname_taken', 'taken')
      const domain = { id: randomUUID(), hostname, cname: 'x.localhost', ...times }
      kept.app = { ...kept.app, domains: [...kept.app.domains, domain] }
      return domain
    },
    'app.removeDomain'(key, m) {
      const kept = ofApp(key)
      const gone = kept.app.domains.find(({ hostname }) => hostname === m['hostname'])
      kept.app = { ...kept.app, domains: kept.app.domains.filter((one) => one !== gone) }
      return gone
    },
    'app.addEndpoint': (key, m) =>
      settled(ofApp(key), (app) =>
        endpoints.add(app, m['name'] as string, m['pair'] as Pair, { now, id: randomUUID() }),
      ),
    'app.changeEndpoint': (key, m) =>
      settled(ofApp(key), (app) => endpoints.change(app, m['endpoint'] as string, m['pair'] as Pair, now)),
    'app.removeEndpoint': (key, m) =>
      settled(ofApp(key), (app) => endpoints.remove(app, m['endpoint'] as string)),
    'app.attachDomain': (key, m) =>
      settled(ofApp(key), (app) =>
        endpoints.attach(app, m['hostname'] as string, m['endpoint'] as string | null, now),
      ),
    'app.addDrain': (key, { type: _type, ...to }) =>
      drained(ofApp(key), (a) => drains.add(a, to as Target, { id: randomUUID(), token: 'd.x', now })),
    'app.changeDrain': (key, { type: _type, drain, ...to }) =>
      drained(ofApp(key), (a) => drains.change(a, drain as string, to as Target, now)),
    'app.removeDrain'(key, m) {
      const kept = ofApp(key)
      const found = drains.drainIn(kept.app, m['drain'] as string) ?? refuse('not_found', 'no drain')
      kept.app = drains.remove(asRecord(kept), found, now).app
      return found
    },
    'drain.state'(id) {
      const of = [...apps.values()].find(({ app }) => drains.drainIn(app, id) !== undefined)
      const { app } = of ?? refuse('not_found', 'no drain')
      return { appId: app.id, state: 'up', lag: 0, reason: null, deliveredAt: null, dropped: 0 }
    },
    async 'app.destroy'(key) {
      const kept = ofApp(key)
      await store.remove(`name/app/${kept.app.name}`)
      await lists({ appId: key, name: kept.app.name, users: [], former: access.usersOf(kept.app) })
      apps.delete(key)
      return kept.app
    },
    'releases.current': (key) => ({ release: ofApp(key).releases.at(-1) }),
    'releases.list': (key) => ({ releases: ofApp(key).releases, currentVersion: ofApp(key).releases.length }),
    'releases.find'(key, m) {
      const { releases } = ofApp(key)
      const found = releases.find(({ id, version }) => id === m['which'] || String(version) === m['which'])
      return { release: found ?? refuse('not_found', 'no such release'), current: found === releases.at(-1) }
    },
    'releases.setConfig'(key, m) {
      const kept = ofApp(key)
      const patch = m['patch'] as Readonly<Record<string, string | null>>
      if ('1BAD' in patch) refuse('invalid_params', 'Config var name "1BAD" is invalid')
      const merged = { ...configs.get(kept.releases.at(-1)?.configId ?? ''), ...patch }
      const configId = randomUUID()
      const set = Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== null)
      configs.set(configId, Object.fromEntries(set))
      const made = release(kept, m['by'] as Who, { description: 'Set config vars', configId })
      return { version: made.version, configId, changed: true }
    },
    'releases.deploy': (key, m) => deploy(ofApp(key), m),
    'releases.giveUpBuild': (key) => (ofApp(key), { released: null }),
    'releases.rollback'(key, m) {
      const kept = ofApp(key)
      const to = kept.releases.find(({ id, version }) => id === m['to'] || String(version) === m['to'])
      if (to === undefined) return refuse('not_found', 'no such release')
      if (to.slug === null) return refuse('invalid_params', `Release v${to.version} has no slug`)
      const { slug: old, configId } = to
      return release(kept, m['by'] as Who, { description: `Rollback to v${to.version}`, slug: old, configId })
    },
    'builds.start'(_, m) {
      builds.set(m['buildId'] as string, m['job'] as BuildJob)
      return {}
    },
    'build.begun': async (id) => build(id, 'pending'),
    'build.finished': async (id) => build(id, 'failed'),
    'formation.types': (key) => ({ types: ofApp(key).types }),
    'formation.dynos': (key) => ({ dynos: ofApp(key).dynos }),
    'formation.scale'(key, m) {
      const kept = ofApp(key)
      for (const update of m['updates'] as {
        type: string
        quantity?: string
        size?: string
        singleton?: boolean
        labels?: Record<string, string>
      }[]) {
        const known = kept.types.find(({ type }) => type === update.type)
        if (known === undefined) refuse('invalid_params', `No such process type ${update.type}.`)
        const size = findDynoSize(update.size ?? known!.size)?.name ?? known!.size
        kept.dynos = kept.dynos.map((one) => (one.type === update.type ? { ...one, size } : one))
        kept.types = kept.types.map((one) =>
          one === known
            ? {
                ...one,
                quantity: Number(update.quantity ?? one.quantity),
                size,
                singleton: update.singleton ?? one.singleton,
                labels: update.labels ?? one.labels ?? {},
              }
            : one,
        )
      }
      return { types: kept.types }
    },
    'formation.restart': () => ({ restarted: 1 }),
    'formation.stopDyno': () => ({ stopped: 1 }),
    'formation.idle': (key) => (ofApp(key), {}),
    'dyno.inside': () => ({}),
    'formation.run'(key, m) {
      const kept = ofApp(key)
      const run = dyno(kept, 'run.1234', m['command'] as string)
      kept.dynos.push(run)
      return run
    },
  }
  const dyno = (kept: Kept, name: string, command: string): DynoView => ({
    id: randomUUID(),
    name,
    type: name.split('.')[0] ?? '',
    command,
    size: 'Basic',
    state: 'up',
    releaseId: kept.releases.at(-1)?.id ?? '',
    releaseVersion: kept.releases.length,
    host: 'here',
    ...times,
  })

  const build = async (id: string, status: BuildView['status']): Promise<BuildView> => {
    const { appId, version, by, archive, buildpacks = [] } = builds.get(id) ?? refuse('not_found', 'no build')
    const none = { slugId: null, releaseId: null, releaseVersion: null }
    const what = archive && { url: archive.url, checksum: archive.checksum, description: archive.description }
    const view = { id, appId, status, version, by, buildpacks, stack: 'heroku-24', host: 'here', ...none }
    const at = { createdAt: Date.now(), updatedAt: Date.now() }
    const whole: BuildView = { ...view, ...at, ...(what && { archive: what }) }
    const [key, value] = [buildKey(appId, id), Buffer.from(JSON.stringify(whole))]
    const entry = await store.get(key)
    await (entry === undefined ? store.create(key, value) : store.update(key, value, entry.revision))
    return whole
  }
  const node = {
    async ask(to: { readonly to: string; readonly key: string }, message: Message): Promise<unknown> {
      asked.push(message)
      const failure = failures.get(to.to)
      failures.delete(to.to)
      if (failure !== undefined) throw failure
      const name = `${to.to}.${message.type}`
      const answer = questions[name]
      if (answer === undefined) throw new Error(`nobody answers ${name}`)
      return answer(to.key, message)
    },
    tell: (_: unknown, message: Message) => void told.push(message),
  }
  return {
    // One untyped function stands for all the typed ones: the protocols' types are the caller's side.
    node: node as unknown as Control['node'],
    vault: {
      open: async (_appId, configId) => configs.get(configId) ?? {},
      async seal(_appId, vars) {
        // Follows from what is sealed, and says nothing of it.
        const id = createHash('sha256').update(JSON.stringify(vars)).digest('hex')
        configs.set(id, { ...vars })
        return id
      },
    },
    asked,
    told,
    failNext: (actor, failure) => failures.set(actor, new AskFailed(failure, 'the test')),
  }
}
