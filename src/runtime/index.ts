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
/** Failures of the runtime, and the table of their codes. */
export { ActError, AskFailed, errorCodes } from './errors.ts'
export type { ErrorCode } from './errors.ts'
/** Every bound, and what a node may be given instead. */
export { limitsDefault } from './limits.ts'
export type { Limits } from './limits.ts'
/** Ports and a tree in, a running node out. */
export { createNode } from './node.ts'
export type { AskOptions, Node, NodeConfig, TellOptions } from './node.ts'
export type { NodePorts } from './node-ports.ts'
export { ask, protocol, ref, refAt, refSchema, refText, sameRef, tell } from './protocol.ts'
export type { Answer, Message, MessageOf, Protocol, QuestionName, QuestionOf, Ref } from './protocol.ts'
export type { Report } from './report.ts'
export { checker, is } from './schema.ts'
export type { Check, Static, TProperties, TSchema } from './schema.ts'
/** Supervision trees as data. */
export { check, child, dynamic, each, format, keyed, supervise } from './tree.ts'
export type { ChildOptions, DynamicOptions, KeyedOptions, Policy, TreeNode } from './tree.ts'
