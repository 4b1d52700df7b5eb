/**
 * What this node knows of protocols: checks for what arrives, compiled when first needed, and versions.
 *
 * Its own tree's come first; then whatever this process defines (a sender has the protocol it sends to).
 */
import { protocolNamed, type Protocol } from './protocol.ts'
import { checker, fieldsChecker, type Check } from './schema.ts'

type Compiled = {
  readonly protocol: Protocol
  readonly messages: Map<string, Check>
  readonly replies: Map<string, Check>
}

export class Protocols {
  readonly #compiled = new Map<string, Compiled>()

  constructor(own: Iterable<Protocol>) {
    for (const protocol of own) this.#add(protocol)
  }

  /** 0 when the type is not known here. */
  readonly versionOf = (type: string): number => this.#get(type)?.protocol.version ?? 0

  /** Why a message cannot be taken; undefined when it can. Paths are those of the body. */
  fault(
    to: string,
    message: { readonly type: string },
  ): { readonly reason: 'malformed' | 'unknown_type'; readonly path: string } | undefined {
    const compiled = this.#get(to)
    if (compiled === undefined) return undefined
    let check = compiled.messages.get(message.type)
    if (check === undefined) {
      if (!Object.hasOwn(compiled.protocol.spec, message.type))
        return { reason: 'unknown_type', path: '/type' }
      check = fieldsChecker(compiled.protocol.spec[message.type]!.fields)
      compiled.messages.set(message.type, check)
    }
    const found = check(message)
    return found === undefined ? undefined : { reason: 'malformed', path: found.path }
  }

  /** Where an answer does not fit; undefined when it does, or when the protocol is not known here. */
  replyFault(to: string, type: string, value: unknown): string | undefined {
    const compiled = this.#get(to)
    const question = compiled?.protocol.spec[type]
    if (compiled === undefined || question?.kind !== 'ask') return undefined
    let check = compiled.replies.get(type)
    if (check === undefined) {
      check = checker(question.reply)
      compiled.replies.set(type, check)
    }
    return check(value)?.path
  }

  #get(type: string): Compiled | undefined {
    const found = this.#compiled.get(type)
    if (found !== undefined) return found
    const protocol = protocolNamed(type)
    return protocol === undefined ? undefined : this.#add(protocol)
  }

  #add(protocol: Protocol): Compiled {
    const compiled = { protocol, messages: new Map<string, Check>(), replies: new Map<string, Check>() }
    this.#compiled.set(protocol.name, compiled)
    return compiled
  }
}
