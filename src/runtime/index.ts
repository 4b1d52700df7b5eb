/** The one door to the runtime for everything above it. */
export { actor, effect, stop } from './actor.ts'
export type {
  Actor,
  ActorDef,
  AskCtx,
  AskFailure,
  Caller,
  Ctx,
  Down,
  Effect,
  EffectError,
  Lost,
  Stop,
} from './actor.ts'
export { ask, protocol, ref, refAt, refSchema, refText, sameRef, tell } from './protocol.ts'
export type { Answer, Message, MessageOf, Protocol, QuestionName, QuestionOf, Ref } from './protocol.ts'
export { checker, is } from './schema.ts'
export type { Check, Static, TProperties, TSchema } from './schema.ts'
export { child, dynamic, each, format, keyed, supervise } from './tree.ts'
export type { TreeNode } from './tree.ts'
