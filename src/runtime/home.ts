/**
 * Where the actors of one type live on this host: their activations by key, and who may start more.
 */
import type { ActorDef } from './actor.ts'
import type { Cell } from './cell.ts'
import type { Letter } from './letter.ts'
import type { Ref } from './protocol.ts'
import type { Subject } from './subject.ts'

/** Anything a supervisor starts and stops. */
export type Running = {
  /** Ends it in order; `done` is called once it is over. */
  stop(reason: string, done: () => void): void
  /** Forgets it now. */
  kill(reason: string): void
}

/** Starts and stops the children of a `dynamic` node. */
export type Pool = {
  spawn(key: string, args: unknown): void
  halt(key: string): boolean
}

/** Activates keyed actors. */
export type Shard = {
  readonly role: string
  /** For a letter whose actor is not active here. */
  arrived(letter: Letter): void
  /** Undefined when it is stopped or full. */
  activate(key: string): Subject | undefined
  halt(key: string): boolean
  viewChanged(): void
}

export type Home = {
  readonly def: ActorDef
  readonly cells: Map<string, Cell>
  pool: Pool | undefined
  shard: Shard | undefined
  /** The role of the hosts that own them, when they are keyed. */
  readonly role: string | undefined
}

export class Homes {
  readonly #homes = new Map<string, Home>()

  get(type: string): Home | undefined {
    return this.#homes.get(type)
  }

  all(): Iterable<Home> {
    return this.#homes.values()
  }

  /** The home of a type, made when there is none yet. */
  of(def: ActorDef, role?: string): Home {
    const found = this.#homes.get(def.protocol.name)
    if (found !== undefined) return found
    const home: Home = { def, cells: new Map(), pool: undefined, shard: undefined, role }
    this.#homes.set(def.protocol.name, home)
    return home
  }

  cell(ref: Ref<unknown>): Cell | undefined {
    return this.#homes.get(ref.to)?.cells.get(ref.key)
  }
}
