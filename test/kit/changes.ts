/**
 * Changes that are under way while hosts die: each is told of cleanly, is whole or not there at all, and is
 * made once, however often it was sent.
 */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { Answer } from '../../scripts/chaos/worlds/netns/dial.ts'
import { until } from './until.ts'
import type { Sent, UserAt } from './user-at.ts'

export type Change = {
  readonly what: string
  readonly sent: Sent & { readonly key: string }
  /** Whether it shows. */
  readonly shows: (user: UserAt) => Promise<boolean>
}
/** `undone`: surely nothing came of it. `unknown`: something may have. Anything else is no clean end. */
export type Outcome = string
const clean: ReadonlySet<Outcome> = new Set(['done', 'undone', 'unknown'])
export const isClean = (outcome: Outcome): boolean => clean.has(outcome)

const get = async (user: UserAt, path: string): Promise<Answer> => {
  const answer = await user.send({ method: 'GET', path })
  if (answer.status !== 200 && answer.status !== 404)
    throw new Error(`GET ${path}: ${answer.status} ${answer.body}`)
  return answer
}
const isThere = async (user: UserAt, path: string): Promise<boolean> => (await get(user, path)).status === 200

/** Apps that those of a wave are made of. */
export const groundOf = (wave: string): readonly string[] =>
  ['set', 'old', 'gone'].map((name) => `${wave}-${name}`)

const newApps = 3
const newVars = 3

/** One of each kind that has more than one step, and several of those that meet at one app or one list. */
export const changesOf = (wave: string): readonly Change[] => {
  const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at + 1)
  const change = (
    what: string,
    [method, path, body]: readonly [string, string, unknown?],
    shows: Change['shows'],
  ): Change => ({
    what,
    sent: { method, path, ...(body !== undefined && { body }), key: randomUUID() },
    shows,
  })
  const set = `/apps/${wave}-set`
  return [
    ...numbers(newApps).map((number) => {
      const name = `${wave}-new-${number}`
      return change(`create ${name}`, ['POST', '/apps', { name }], (user) => isThere(user, `/apps/${name}`))
    }),
    ...numbers(newVars).map((number) => {
      const body = { [`VAR_${number}`]: wave }
      return change(`set VAR_${number}`, ['PATCH', `${set}/config-vars`, body], async (user) =>
        (await get(user, `${set}/config-vars`)).body.includes(`"VAR_${number}"`),
      )
    }),
    change(
      'add a domain',
      ['POST', `${set}/domains`, { hostname: `${wave}.example.com`, sni_endpoint: null }],
      (user) => isThere(user, `${set}/domains/${wave}.example.com`),
    ),
    change('rename', ['PATCH', `/apps/${wave}-old`, { name: `${wave}-renamed` }], (user) =>
      isThere(user, `/apps/${wave}-renamed`),
    ),
    change(
      'destroy',
      ['DELETE', `/apps/${wave}-gone`],
      async (user) => !(await isThere(user, `/apps/${wave}-gone`)),
    ),
  ]
}

/** An answer, or a refusal that says what became of it, and when to ask again. */
export const outcomeOf = ({ status, headers, body }: Answer): Outcome => {
  if (status >= 200 && status < 300) return 'done'
  const { id, message = '' } = (status === 503 ? JSON.parse(body) : {}) as Record<string, string>
  const isPolite = id === 'service_unavailable' && Number(headers['retry-after']) > 0
  if (isPolite && message.includes('nothing was changed')) return 'undone'
  if (isPolite && message.includes('The change may have been made')) return 'unknown'
  return `${status} ${JSON.stringify(headers)} ${body}`
}

export const sendAll = (user: UserAt, changes: readonly Change[]): readonly Promise<Outcome>[] =>
  changes.map(({ sent }) => user.send(sent).then(outcomeOf, (error: Error) => `no answer: ${error.message}`))

/** What was told holds; then what was not done is sent again, and all of it is there. */
export const settle = async (
  t: Test,
  user: UserAt,
  changes: readonly Change[],
  outcomes: readonly Outcome[],
): Promise<void> => {
  for (const [at, { what, shows }] of changes.entries()) {
    const outcome = outcomes[at]
    if (outcome === 'unknown') continue
    // Who cannot be asked now is asked again; what is told then is final.
    const seen = await until(async () => ({ shows: await shows(user) }), { what: `a look at ${what}` })
    t.equal(seen.shows, outcome === 'done', `${what} was told to be ${outcome}, and is`)
  }
  await Promise.all(
    changes.map(async ({ what, sent, shows }, at) => {
      if (outcomes[at] === 'done') return
      const last = await answerTo(user, sent)
      // It was made before its answer was lost, and what it was made of is not there any more.
      const isMade = last.status < 300 || (outcomes[at] === 'unknown' && last.status === 404)
      if (isMade) return void t.ok(await shows(user), `${what}, sent again, is there`)
      // Nobody knows whether it was made, and who looks does.
      t.match(last, { status: 409, body: /look before you make another/ }, `${what}, sent again`)
      if (!(await shows(user))) t.equal((await answerTo(user, { ...sent, key: randomUUID() })).status, 201)
      t.ok(await shows(user), `${what} is there`)
    }),
  )
}

/** Asks until it is not put off. */
const answerTo = (user: UserAt, sent: Sent): Promise<Answer> =>
  until(
    async () => {
      const answer = await user.send(sent)
      return answer.status !== 503 && answer
    },
    { what: `an answer to ${sent.method} ${sent.path}, sent again` },
  )

/** Nothing of a wave is half there: names are held or free, and each change is one release. */
export const lookAt = async (t: Test, user: UserAt, wave: string): Promise<void> => {
  const list = async <T>(path: string): Promise<readonly T[]> =>
    JSON.parse((await get(user, path)).body) as T[]
  const names = (await list<{ readonly name: string }>('/apps')).map(({ name }) => name)
  const own = names.filter((name) => name.startsWith(`${wave}-`)).toSorted()
  const made = Array.from({ length: newApps }, (_, at) => `${wave}-new-${at + 1}`)
  t.strictSame(own, [...made, `${wave}-renamed`, `${wave}-set`], 'apps are there once or not at all')
  for (const name of own) {
    const parts = ['config-vars', 'releases', 'formation']
    const have = await Promise.all(parts.map((part) => isThere(user, `/apps/${name}/${part}`)))
    t.ok(have.every(Boolean), `${name} is whole`)
  }
  type Release = { readonly version: number; readonly description: string }
  const releases = await list<Release>(`/apps/${wave}-set/releases`)
  t.strictSame(
    releases.map(({ version }) => version),
    releases.map((_, at) => at + 1),
    'no release is missing',
  )
  const said = releases.map(({ description }) => description).filter((text) => text.startsWith('Set VAR_'))
  const wanted = Array.from({ length: newVars }, (_, at) => `Set VAR_${at + 1} config vars`)
  t.strictSame(said.toSorted(), wanted, 'each change is one release')
  for (const name of [`${wave}-old`, `${wave}-gone`]) {
    // Whose answer was lost may be at its last steps, of which the name is the last.
    const made = async () =>
      (await user.send({ method: 'POST', path: '/apps', body: { name } })).status === 201
    t.ok(await until(made, { what: `${name} to be free` }), `${name} is free again`)
  }
}
