/**
 * Puts a node's shared parts together.
 */
import { Asks } from './asks.ts'
import { DeadLetters } from './deadletter.ts'
import type { Delivery } from './delivery.ts'
import type { Homes } from './home.ts'
import type { Kernel, Stats } from './kernel.ts'
import type { Limits } from './limits.ts'
import type { NodePorts } from './node-ports.ts'
import { Performers } from './performers.ts'
import { refText, type Ref } from './protocol.ts'
import { writeNames } from './record.ts'
import { ReminderIndex } from './reminders.ts'
import { Scheduler } from './scheduler.ts'
import { Watches } from './watch.ts'

const lifeChars = 12

export const makeKernel = (
  ports: NodePorts,
  host: string,
  limits: Limits,
  homes: Homes,
  delivery: Delivery,
  killed: () => boolean,
): Kernel => {
  const { clock, random, store, log } = ports
  const life = random.token(lifeChars)
  const stats: Stats = {
    restarts: 0,
    lost: 0,
    conflicts: 0,
    activations: 0,
    passivations: 0,
    writes: 0,
    busy: 0,
  }
  const deadLetters = new DeadLetters(clock, log, limits)
  let incarnations = 0
  const kernel: Kernel = {
    host,
    life,
    clock,
    random,
    store,
    log,
    limits,
    nowMs: () => clock.now(),
    scheduler: new Scheduler(clock, log, limits, () => delivery.flush()),
    deadLetters,
    asks: new Asks(host, life, clock, deadLetters),
    watches: new Watches({
      host,
      life,
      clock,
      limits,
      locate: (ref) => delivery.locate(ref),
      isUp: (name) => delivery.isUp(name),
      find: (ref, activate) => delivery.find(ref, activate),
      send: (to, signal) => delivery.send(to, signal),
    }),
    performers: new Performers(ports.effects, deadLetters, log, limits.effectsInFlightMax),
    reminders: new ReminderIndex({
      clock,
      random,
      store,
      log,
      limits,
      owns: (ref) => homes.get(ref.to) !== undefined && delivery.locate(ref) === host,
      wake: (ref) => delivery.wake(ref),
    }),
    stats,
    writeName: writeNames(life),
    nextIncarnation: () => {
      incarnations += 1
      return `${life}.${incarnations.toString(36)}`
    },
    killed,
    post: (letter) => delivery.post(letter),
    bounce: (letter, reason) => delivery.bounce(letter, reason),
    reply: (reply) => delivery.reply(reply),
    spawn: (parent, actor, key, args) => {
      const pool = homes.get(actor.protocol.name)?.pool
      if (pool !== undefined) return pool.spawn(key, args)
      const child = `${actor.protocol.name}/${key}`
      log({ at: 'spawn_refused', actor: refText(parent.ref), child, reason: 'no dynamic node' })
    },
    halt: (child: Ref<unknown>) => {
      const home = child.host === undefined || child.host === host ? homes.get(child.to) : undefined
      if (home?.pool?.halt(child.key) === true || home?.shard?.halt(child.key) === true) return
      log({ at: 'halt_ignored', child: refText(child) })
    },
  }
  return kernel
}
