/** The commands about users of the platform. A token is printed alone on standard output, for scripts. */
import { text } from 'node:stream/consumers'
import { named, parsed, type Command } from './arguments.ts'
import { table } from './table.ts'

const what = 'the e-mail address of the user'

const list: Command = async (args, open) => {
  const { values } = parsed(args, { json: { type: 'boolean' } }, [])
  const all = await open().call('users.list')
  const head = ['EMAIL', 'NAME', 'ROLE', 'STATE', 'SINCE']
  const rows = all.map((user) => [
    user.email,
    user.name ?? '-',
    user.operator ? 'operator' : 'user',
    user.suspended_at === null ? 'active' : 'suspended',
    user.created_at,
  ])
  console.log(values.json === true ? JSON.stringify(all) : table([head, ...rows], new Set()))
  return 0
}

const add: Command = async (args, open) => {
  const options = {
    name: { type: 'string' },
    operator: { type: 'boolean' },
    'password-stdin': { type: 'boolean' },
  } as const
  const { values, positionals } = parsed(args, options, ['EMAIL'])
  const email = named(positionals, what)
  // Not an argument: those are seen by whoever lists processes.
  const password =
    values['password-stdin'] === true ? (await text(process.stdin)).replace(/\r?\n$/, '') : undefined
  const { name, operator } = values
  const body = {
    email,
    ...(name !== undefined && { name }),
    ...(operator === true && { operator }),
    ...(password !== undefined && { password }),
  }
  const made = await open().call('users.create', { body })
  console.error(`${made.email} has an account; its token, which is shown this once:`)
  console.log(made.token)
  return 0
}

const rotate: Command = async (args, open) => {
  const email = named(parsed(args, {}, ['EMAIL']).positionals, what)
  const made = await open().call('users.rotate', { params: { account: email } })
  console.error(`every token of ${made.email} has ended; the new one, which is shown this once:`)
  console.log(made.token)
  return 0
}

const acting =
  (call: 'users.suspend' | 'users.unsuspend' | 'users.delete', done: string): Command =>
  async (args, open) => {
    const email = named(parsed(args, {}, ['EMAIL']).positionals, what)
    const user = await open().call(call, { params: { account: email } })
    console.log(`${user.email} ${done}`)
    return 0
  }

export const users: Readonly<Record<string, Command>> = {
  users: list,
  'users:add': add,
  'users:rotate': rotate,
  'users:suspend': acting('users.suspend', 'is let in no more; its apps run on'),
  'users:unsuspend': acting('users.unsuspend', 'is let in again'),
  'users:remove': acting('users.delete', 'has no account any more'),
}
