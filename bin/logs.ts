/**
 * `manifold logs`: the log of an app, through a log session as the heroku CLI reads one.
 *
 * With `--tail` it goes on behind the last line it has when the connection ends, whatever for: also in a new
 * session when the old one is over, and when the host was away for a while.
 */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { named, parsed, UsageError, type Command } from './arguments.ts'
import { Refused } from './client.ts'
import { outputs } from './log-output.ts'

const linesDefault = 100
const linesMax = 1500
const retryMs = 1_000
/** A host that is started anew takes some seconds. */
const awayMsMax = 60_000

const options = {
  num: { type: 'string', short: 'n' },
  tail: { type: 'boolean', short: 't' },
  source: { type: 'string', short: 's' },
  dyno: { type: 'string', short: 'd' },
  output: { type: 'string', short: 'o' },
} as const

export const logs: Command = async (args, open) => {
  const { values, positionals } = parsed(args, options, ['APP'])
  const app = named(positionals, 'the name of the app')
  const output = outputs[values.output ?? 'default']
  if (output === undefined) throw new UsageError(`--output wants one of ${Object.keys(outputs).join(', ')}`)
  const lines = Number(values.num ?? linesDefault)
  if (!Number.isInteger(lines) || lines < 0 || lines > linesMax)
    throw new UsageError(`--num wants a number of lines from 0 to ${linesMax}`)
  const tail = values.tail === true
  const { source, dyno } = values
  const client = open()
  const { name } = await client.call('apps.info', { params: { app } })
  const openSession = async (): Promise<string> => {
    const wanted = { lines, tail, ...(source && { source }), ...(dyno && { dyno }) }
    const session = await client.call('log-sessions.create', { params: { app }, body: wanted })
    // Every host serves it: also the one that is asked.
    const { pathname, search } = new URL(session.logplex_url)
    return pathname + search
  }
  let lastId: string | undefined
  const print = async ({ id, data }: Event): Promise<void> => {
    lastId = id ?? lastId
    const text = data.split('\n').map((line) => `${output(line, name)}\n`)
    if (!process.stdout.write(text.join(''))) await once(process.stdout, 'drain')
  }
  endWithReader()
  let address: string | undefined
  for (let heardMs = performance.now(); ;) {
    try {
      address ??= await openSession()
      const answer = await client.events(address, lastId)
      if (answer === undefined) address = undefined
      else {
        for await (const event of eventsOf(answer)) {
          heardMs = performance.now()
          await print(event)
        }
        heardMs = performance.now()
      }
    } catch (error) {
      const isAway = error instanceof Refused && (error.code === 'down' || error.code === 'broken')
      if (!tail || !isAway || performance.now() - heardMs > awayMsMax) throw error
    }
    if (!tail) return 0
    await pause(retryMs)
  }
}

type Event = { readonly id: string | undefined; readonly data: string }

/** @throws Refused when the connection breaks */
const eventsOf = async function* (answer: IncomingMessage): AsyncGenerator<Event, void, undefined> {
  let id: string | undefined
  let data: string[] = []
  let cause: unknown
  try {
    for await (const line of createInterface({ input: answer, crlfDelay: Infinity })) {
      const [, field, value = ''] = /^(id|data): ?(.*)$/s.exec(line) ?? []
      if (field === 'data') data.push(value)
      else if (field === 'id') id = value
      else if (line === '') {
        if (data.length > 0) yield { id, data: data.join('\n') }
        id = undefined
        data = []
      }
    }
  } catch (error) {
    cause = error
  }
  if (!answer.complete) throw new Refused('broken', 'the connection to the host broke', { cause })
}

/** `manifold logs APP | head` has done what it was asked. */
const endWithReader = (): void => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}
