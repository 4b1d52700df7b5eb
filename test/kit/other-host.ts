/**
 * Another host, as far as packets can tell: a network namespace joined to this machine by a cable of its own,
 * with two addresses there. Taken away when the test ends.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import type { Test } from 'tap'

import { until } from './until.ts'

export type OtherHost = {
  /** This machine's address on that cable. */
  own: string
  /** The other host's addresses. */
  first: string
  second: string
  /** Where the other host listens, at every address it has. */
  port: number
  /** What `address:port` says to a connection from `from`, one of the other's addresses; '' when nothing. */
  ask: (from: string, address: string, port: number) => Promise<string>
}

const exec = promisify(execFile)

const serve = `
const server = require('net').createServer((socket) => socket.on('error', () => {}).end('other host'))
server.listen(0, '0.0.0.0', () => console.log(server.address().port))
`

const askOnce = `
const [localAddress, host, port] = process.argv.slice(1)
const socket = require('net').connect({ localAddress, host, port, timeout: 1000 })
const end = () => socket.destroy()
socket.on('data', (text) => process.stdout.write(text)).on('timeout', end).on('error', end)
`

/** @param net the third number of its addresses, one for each test file */
export const makeOtherHost = async (t: Test, net: number): Promise<OtherHost> => {
  const name = `mh${net}.${process.pid}`
  const [own, first, second] = [1, 2, 3].map((last) => `198.18.${net}.${last}`) as [string, string, string]
  const ip = (...args: string[]): void => void execFileSync('ip', args)
  ip('netns', 'add', name)
  t.teardown(() => ip('netns', 'del', name))
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('addr', 'add', `${own}/24`, 'dev', name)
  ip('link', 'set', name, 'up')
  for (const address of [first, second]) ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
  for (const link of ['lo', 'eth0']) ip('-n', name, 'link', 'set', link, 'up')
  const env = { PATH: process.env['PATH'] ?? '' }
  const child = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', serve], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = new Promise((resolve) => child.on('exit', resolve))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await gone
  })
  const told = await until(async () => String((await child.stdout.iterator().next()).value), {
    what: 'the port of the other host',
  })
  return {
    own,
    first,
    second,
    port: Number(told),
    ask: async (from, address, port) => {
      const args = ['netns', 'exec', name, process.execPath, '-e', askOnce, '--', from, address, String(port)]
      return (await exec('ip', args, { env })).stdout
    },
  }
}
