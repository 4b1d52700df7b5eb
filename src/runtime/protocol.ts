/**
 * Protocols: the messages an actor understands, as data, with a version.
 *
 * A published version is frozen (its fixture under test/src/fixtures is decoded by every later build); a
 * change makes a new version. Message names: commands are imperatives, facts are past participles, questions
 * are nouns.
 */
import { is, type Static, type TProperties, type TSchema } from './schema.ts'

/** A message that nobody answers: at-most-once. */
export type Tell<F extends TProperties = TProperties> = { readonly kind: 'tell'; readonly fields: F }
/** A message with one typed answer, or a refusal. */
export type Ask<F extends TProperties = TProperties, R extends TSchema = TSchema> = {
  readonly kind: 'ask'
  readonly fields: F
  readonly reply: R
}
export type Spec = Readonly<Record<string, Tell | Ask>>

export type Protocol<N extends string = string, S extends Spec = Spec> = {
  readonly name: N
  readonly version: number
  readonly spec: S
}

type Body<F extends TProperties> = Static<ReturnType<typeof is.obj<F>>>
/** One message as the actor gets it: its type beside its fields. */
export type MessageOf<P, K> =
  P extends Protocol<string, infer S>
    ? K extends keyof S & string
      ? { readonly type: K } & Readonly<Body<S[K]['fields']>>
      : never
    : never
type SpecOf<P> = P extends Protocol<string, infer S> ? S : never
/** Every message of a protocol. */
export type Message<P> = { [K in keyof SpecOf<P> & string]: MessageOf<P, K> }[keyof SpecOf<P> & string]
/** The messages that are asked, not told. */
export type Question<P> = {
  [K in keyof SpecOf<P> & string]: SpecOf<P>[K] extends Ask ? MessageOf<P, K> : never
}[keyof SpecOf<P> & string]
/** The names of a protocol's questions. */
export type QuestionName<P> = Question<P> extends { readonly type: infer K extends string } ? K : never
/** A question by its name, in the form from which the compiler can infer that name. */
export type QuestionOf<P, K> = { readonly type: K } & Omit<MessageOf<P, K>, 'type'>
/** What the question of that name is answered with. */
export type Answer<P, K> = K extends keyof SpecOf<P>
  ? SpecOf<P>[K] extends Ask<TProperties, infer R>
    ? Static<R>
    : never
  : never

export const tell = <const F extends TProperties>(fields: F): Tell<F> => ({ kind: 'tell', fields })
export const ask = <const F extends TProperties, R extends TSchema>(fields: F, reply: R): Ask<F, R> => ({
  kind: 'ask',
  fields,
  reply,
})

/** The newest version of each protocol that this process defines. */
const defined = new Map<string, Protocol>()
export const protocolNamed = (name: string): Protocol | undefined => defined.get(name)

/** @param name unique in the system, written by hand (a renamed constant must not rename data) */
export const protocol = <const N extends string, const S extends Spec>(
  name: N,
  version: number,
  spec: S,
): Protocol<N, S> => {
  const made = { name, version, spec }
  if ((defined.get(name)?.version ?? 0) <= version) defined.set(name, made)
  return made
}

/**
 * A ref is plain data: it may travel in messages and be saved.
 * `host` present: an actor bound to that host. Absent: a keyed actor, wherever its shard is owned now.
 */
export type Ref<P = Protocol> = {
  readonly to: string
  readonly key: string
  readonly host?: string
  /** Phantom: only for the compiler. */
  readonly _?: P
}

export const ref = <P extends Protocol>(p: P, key: string): Ref<P> => ({ to: p.name, key })
export const refAt = <P extends Protocol>(p: P, key: string, host: string): Ref<P> => ({
  to: p.name,
  key,
  host,
})
export const sameRef = (a: Ref<unknown>, b: Ref<unknown>): boolean =>
  a.to === b.to && a.key === b.key && a.host === b.host
/** `account/ada` or `worker/w.1@host`: for logs and maps. */
export const refText = (r: Ref<unknown>): string =>
  `${r.to}/${r.key}${r.host === undefined ? '' : `@${r.host}`}`
/** The schema of a ref inside a message. */
export const refSchema = is.obj({ to: is.str, key: is.str, host: is.opt(is.str) })
