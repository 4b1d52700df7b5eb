/**
 * Clients of an SSH server, by npm `ssh2`: what each of them does, as a promise.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import ssh2, { type Client, type ClientChannel, type Sftp } from 'ssh2'
import { hostKeyFrom } from '../../src/ssh/host-key.ts'
import type { Ends } from './ends.ts'

export type Login = {
  readonly port: number
  readonly username: string
  readonly privateKey?: string
  readonly password?: string
  /** `ssh-ed25519 AAAA…`: whom to expect. */
  readonly hostKey?: string
}

/** As the stock CLI makes them, and others. */
export const clientKeys = {
  rsa: ssh2.utils.generateKeyPairSync('rsa', { bits: 2_048 }),
  // Of those that ssh2 makes itself, it cannot read one in some 250.
  ed25519: hostKeyFrom('ed25519'),
  other: hostKeyFrom('other'),
}

/** Rejects when it is not let in. */
export const logIn = async (
  t: Ends,
  { port, hostKey, ...login }: Login,
): Promise<{ readonly client: Client; readonly closed: Promise<void> }> => {
  const client = new ssh2.Client()
  const closed = new Promise<void>((resolve) => client.once('close', resolve))
  t.teardown(() => void client.end())
  const ready = once(client, 'ready')
  client.on('error', () => undefined)
  client.connect({
    host: '127.0.0.1',
    port,
    ...login,
    ...(hostKey !== undefined && {
      hostHash: 'sha256',
      hostVerifier: (hash: string) =>
        hash ===
        createHash('sha256')
          .update(Buffer.from(hostKey.split(' ')[1] ?? '', 'base64'))
          .digest('hex'),
    }),
  })
  await ready
  return { client, closed }
}

export type Said = { readonly out: string; readonly err: string; readonly code: number | null }

/** What a channel says until it is closed, and its exit status. */
export const saidBy = async (channel: ClientChannel): Promise<Said> => {
  let code: number | null = null
  channel.on('exit', (status) => (code = status))
  const closed = new Promise<void>((resolve) => channel.on('close', () => resolve()))
  const [out, err] = await Promise.all([text(channel), text(channel.stderr), closed])
  return { out, err, code }
}

export const openExec = (client: Client, command: string, options: object = {}): Promise<ClientChannel> =>
  new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) => (error ? reject(error) : resolve(channel)))
  })
/** Listened to from the first moment: its end may come with its beginning. */
export const exec = (client: Client, command: string, options: object = {}): Promise<Said> =>
  new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) => (error ? reject(error) : resolve(saidBy(channel))))
  })

export const openShell = (client: Client, options: object | false = {}): Promise<ClientChannel> =>
  new Promise((resolve, reject) => {
    client.shell(options, (error, channel) => (error ? reject(error) : resolve(channel)))
  })

export const openSftp = (client: Client): Promise<Sftp> =>
  new Promise((resolve, reject) => {
    client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)))
  })
/** One call of an open transfer. */
export const asked = <T>(
  call: (done: (error: (Error & { code?: number }) | undefined | null, result?: T) => void) => void,
): Promise<T> =>
  new Promise((resolve, reject) => {
    call((error, result) => (error ? reject(error) : resolve(result as T)))
  })

/** Rejects when the server does not make that connection. */
export const forward = (client: Client, host: string, port: number): Promise<ClientChannel> =>
  new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 1, host, port, (error, channel) =>
      error ? reject(error) : resolve(channel),
    )
  })
