/** The commands by name: each reads its arguments, asks the host, and prints. */
import { once } from 'node:events'
import { createReadStream, createWriteStream, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { loadHome } from '../config/load.ts'
import type { Finding } from '../src/client/answers/finding.ts'
import type { Host } from '../src/client/answers/host.ts'
import type { Usage } from '../src/client/answers/usage.ts'
import { audit } from './audit.ts'
import { named, parsed, UsageError, type Command } from './arguments.ts'
import { Refused, type Client } from './client.ts'
import { keys } from './keys.ts'
import { logs } from './logs.ts'
import { shown } from './progress.ts'
import { buildStack, stackRows, stacksTable } from './stacks.ts'
import { bytesText, table } from './table.ts'
import { users } from './users.ts'

const pollMs = 500
const waitMinutesDefault = 30
/** Its first line is in them. */
const headBytesMax = 4096

export const version = (): string => {
  const file = readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

const hosts: Command = async (args, open) => {
  const { values } = parsed(args, { json: { type: 'boolean' } }, [])
  const all = await open().call('hosts.list')
  console.log(values.json === true ? JSON.stringify(all) : hostsTable(all))
  return 0
}

const hostsTable = (all: readonly Host[]): string => {
  const head = ['NAME', 'STATE', 'ROLES', 'LABELS', 'DYNOS', 'MEMORY', 'LOAD', 'VERSION', 'ADDRESS']
  const rows = all.map((host) => {
    const { dynos, memory_bytes: memory, reserved_bytes: reserved, load } = host
    const labels = Object.entries(host.labels).map(([name, value]) => `${name}=${value}`)
    return [
      host.leader ? `${host.name} *` : host.name,
      host.state,
      host.roles.join(','),
      labels.join(',') || '-',
      dynos === null ? '-' : String(dynos),
      memory === null || reserved === null ? '-' : `${bytesText(reserved)} / ${bytesText(memory)}`,
      load === null ? '-' : load.toFixed(2),
      host.version,
      host.address,
    ]
  })
  return `${table([head, ...rows], new Set([4, 6]))}\n* places dynos`
}

const idle: Command = async (args, open) => {
  const { positionals } = parsed(args, {}, ['APP'])
  const app = named(positionals, 'the name of the app')
  await open().call('dynos.idle', { params: { app } })
  console.log(`${app} sleeps until the next request`)
  return 0
}

const repositoryReset: Command = async (args, open) => {
  const { positionals } = parsed(args, {}, ['APP'])
  const app = named(positionals, 'the name of the app')
  await open().call('repository.reset', { params: { app } })
  console.log(`the repository of ${app} is empty; its releases and dynos stay as they are`)
  return 0
}

const drain: Command = async (args, open) => {
  const options = { wait: { type: 'boolean' }, timeout: { type: 'string' } } as const
  const { values, positionals } = parsed(args, options, ['NAME'])
  const name = named(positionals, 'the name of the host')
  const minutes = Number(values.timeout ?? waitMinutesDefault)
  if (!(minutes > 0)) throw new UsageError('--timeout wants minutes')
  const client = open()
  await client.call('hosts.drain', { params: { host: name } })
  if (values.wait !== true) {
    console.log(`${name} is being drained: see manifold hosts`)
    return 0
  }
  return waitUntilEmpty(client, name, performance.now() + minutes * 60_000)
}

const waitUntilEmpty = async (client: Client, name: string, deadlineMs: number): Promise<number> => {
  let last: string | undefined
  while (performance.now() < deadlineMs) {
    const host = await client
      .call('hosts.list')
      .then((all) => all.find((one) => one.name === name))
      .catch((error: unknown) => {
        // The host that leads may go meanwhile: another one answers soon.
        if (error instanceof Refused && error.code === 'service_unavailable') return null
        throw error
      })
    const gone = host === undefined || host?.state === 'dead' || host?.state === 'left'
    if (gone || (host?.state === 'draining' && host.dynos === 0)) {
      console.log(`${name} is empty`)
      return 0
    }
    const state =
      host == null ? 'waiting for an answer' : `${name} is ${host.state} with ${host.dynos ?? '?'} dynos`
    if (state !== last) console.error(state)
    last = state
    await pause(pollMs)
  }
  console.error(
    `manifold: ${name} is not empty yet; it goes on being drained. manifold doctor says what waits`,
  )
  return 1
}

const undrain: Command = async (args, open) => {
  const name = named(parsed(args, {}, ['NAME']).positionals, 'the name of the host')
  await open().call('hosts.undrain', { params: { host: name } })
  console.log(`${name} takes dynos again`)
  return 0
}

const remove: Command = async (args, open) => {
  const { values, positionals } = parsed(args, { force: { type: 'boolean' } }, ['NAME'])
  const name = named(positionals, 'the name of the host')
  const { warning } = await open().call('hosts.remove', {
    params: { host: name },
    body: { force: values.force === true },
  })
  console.log(`${name} is removed; its home is of no use for this cluster any more`)
  if (warning !== null) console.log(`warning: ${warning}`)
  return 0
}

const invite: Command = async (args, open) => {
  parsed(args, {}, [])
  const { url } = await open().call('hosts.invite')
  console.log(url)
  return 0
}

const doctor: Command = async (args, open) => {
  const { values } = parsed(args, { json: { type: 'boolean' } }, [])
  const findings = await open()
    .ask<readonly Finding[]>('GET', '/cluster/doctor')
    .catch((error: unknown): readonly Finding[] => {
      if (!(error instanceof Refused)) throw error
      const todo = error.code === 'down' ? 'npm start' : 'look at the log of the host'
      return [{ what: 'host', level: 'fail', detail: error.message, todo }]
    })
  if (values.json === true) console.log(JSON.stringify(findings))
  else for (const finding of findings) console.log(findingText(finding))
  return findings.some(({ level }) => level === 'fail') ? 1 : 0
}

const findingText = ({ what, level, detail, todo }: Finding): string => {
  const line = `${level.padEnd(4)}  ${what.padEnd(9)} ${detail}`
  return todo === null ? line : `${line}\n      ${' '.repeat(9)} -> ${todo}`
}

const backup: Command = async (args, open) => {
  const { positionals } = parsed(args, {}, ['FILE'])
  const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const [file = `manifold-${stamp}.jsonl`] = positionals
  const client = open()
  if (file === '-') {
    await shown((told) => client.download('/cluster/backup', process.stdout, told))
    return 0
  }
  const part = `${file}.part`
  try {
    const to = createWriteStream(part, { mode: 0o600, flush: true })
    await once(to, 'open')
    await shown((told) => client.download('/cluster/backup', to, told))
    await new Promise<void>((resolve, reject) => {
      to.once('error', reject)
      to.end(() => resolve())
    })
    renameSync(part, file)
  } catch (error) {
    rmSync(part, { force: true })
    throw error instanceof Refused ? error : new Refused('file', `cannot write ${file}`, { cause: error })
  }
  const [head = '{}'] = (await text(createReadStream(file, { end: headBytesMax }))).split('\n', 1)
  const { count } = JSON.parse(head) as { count: number }
  console.log(`${file}: ${count} records`)
  return 0
}

const usage: Command = async (args, open) => {
  const options = {
    app: { type: 'string', short: 'a' },
    month: { type: 'string' },
    json: { type: 'boolean' },
  } as const
  const { values } = parsed(args, options, [])
  const { app, month } = values
  const query = { ...(app !== undefined && { app }), ...(month !== undefined && { month }) }
  const used = await open().call('usage.list', { query })
  console.log(values.json === true ? JSON.stringify(used) : usageTable(used))
  return 0
}

const usageTable = ({ month, apps }: Usage): string => {
  const rows = apps.flatMap(({ app, destroyed, dynos }) =>
    dynos.map(({ type, size, seconds }) => [
      destroyed ? `${app.name} (destroyed)` : app.name,
      type,
      size,
      hoursText(seconds),
      String(seconds),
    ]),
  )
  const seconds = apps.flatMap(({ dynos }) => dynos).reduce((sum, dynos) => sum + dynos.seconds, 0)
  const last = ['all', '', '', hoursText(seconds), String(seconds)]
  return `Dynos in ${month}, UTC\n${table([usageHead, ...rows, last], new Set([3, 4]))}`
}
const usageHead = ['APP', 'TYPE', 'SIZE', 'HOURS', 'SECONDS']
const hoursText = (seconds: number): string => (seconds / 3600).toFixed(2)

const stacks: Command = async (args) => {
  const { values } = parsed(args, { json: { type: 'boolean' } }, [])
  const rows = stackRows(loadHome())
  console.log(values.json === true ? JSON.stringify(rows) : stacksTable(rows))
  return 0
}

const stacksBuild: Command = async (args) => {
  const name = named(parsed(args, {}, ['NAME']).positionals, 'the name of the stack')
  const code = await buildStack(name)
  if (code === 0)
    console.log('what starts from now on runs on it; dynos that run come to it as they are cycled')
  return code
}

const restore: Command = async (args, open) => {
  const { values, positionals } = parsed(args, { force: { type: 'boolean' } }, ['FILE'])
  const file = named(positionals, 'the file')
  type Done = { readonly written: number; readonly same: number; readonly left: number }
  const source = createReadStream(file)
  await once(source, 'open').catch((cause: unknown) => {
    throw new Refused('file', `cannot read ${file}`, { cause })
  })
  const path = `/cluster/restore${values.force === true ? '?force=1' : ''}`
  const done = await shown((told) => open().upload<Done>(path, source, told))
  console.log(
    `${done.written} records written, ${done.same} were there already, ${done.left} of the cluster itself left as they are`,
  )
  return 0
}

export const commands: Readonly<Record<string, Command>> = {
  hosts,
  'hosts:drain': drain,
  'hosts:undrain': undrain,
  'hosts:remove': remove,
  'hosts:invite': invite,
  doctor,
  backup,
  restore,
  stacks,
  'stacks:build': stacksBuild,
  usage,
  logs,
  ...users,
  ...keys,
  audit,
  idle,
  'repo:reset': repositoryReset,
}
