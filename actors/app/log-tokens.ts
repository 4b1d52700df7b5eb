/** Who may write into an app's log from outside: its tokens, each with a name of its own. */
import { heroku } from '../../config/heroku.ts'
import type { AppView, LogToken } from '../protocols/app.ts'
import { sameName, without as withoutName, type AppRecord, type Name } from './record.ts'
import type { Self } from './saga.ts'
import { settle } from '../waiting.ts'
import type { State } from './waiting.ts'

/** What callers wait for: that every token leads to the app. */
export const waitedFor = 'log-tokens'

const tokensOf = ({ logTokens = [] }: AppView): readonly LogToken[] => logTokens
const nameOf = ({ token }: LogToken): Name => ({ kind: 'token', name: token })

type Change = { readonly add: readonly string[]; readonly remove: readonly string[] }
type Made = { readonly uuid: () => string; readonly now: number }
type Outcome =
  | { readonly a: AppRecord; readonly claims: readonly Name[]; readonly releases: readonly Name[] }
  | { readonly code: 'invalid_params' | 'conflict'; readonly reason: string }

/** The record with the tokens that are new to be claimed, and the others to be given back. */
export const change = (a: AppRecord, { add, remove }: Change, { uuid, now }: Made): Outcome => {
  const going = tokensOf(a.app).filter(({ name }) => remove.includes(name) && !add.includes(name))
  const releases = going.map(nameOf)
  if (releases.some((name) => a.claiming.some((other) => sameName(other, name))))
    return { code: 'conflict', reason: 'This log token is being made. Please try again.' }
  const kept = tokensOf(a.app).filter((token) => !going.includes(token))
  const names = [...new Set(add)].filter((name) => !kept.some((token) => token.name === name))
  const made = names.map((name): LogToken => ({ token: `t.${uuid()}`, name, createdAt: now }))
  if (kept.length + made.length > heroku.logTokensMax) {
    const reason = `An app cannot have more than ${heroku.logTokensMax} log tokens.`
    return { code: 'invalid_params', reason }
  }
  const claims = made.map(nameOf)
  const app = { ...a.app, logTokens: [...kept, ...made], updatedAt: now }
  const claiming = [...a.claiming, ...claims]
  return { a: { ...a, app, claiming, releasing: [...a.releasing, ...releases] }, claims, releases }
}

/** Without one that could not be claimed. */
export const without = (a: AppRecord, token: string): AppRecord => ({
  ...a,
  app: { ...a.app, logTokens: tokensOf(a.app).filter((one) => one.token !== token) },
  claiming: withoutName(a.claiming, { kind: 'token', name: token }),
})

/** Whoever waits is told, once none is on its way. */
export const answered = (s: State, ctx: Self): State => {
  const { a } = s
  if (a === null || a.claiming.some(({ kind }) => kind === 'token')) return s
  return settle(s, waitedFor, (caller) => ctx.answer(caller, { tokens: [...tokensOf(a.app)] }))
}

export const refused = (s: State, ctx: Self): State =>
  settle(s, waitedFor, (caller) => ctx.refuse(caller, 'conflict', 'Please try again.'))
