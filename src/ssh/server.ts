/**
 * An SSH server whose every session, file transfer and forwarded connection is a process somewhere inside: it
 * runs nothing, reads nothing and dials nothing itself. The only door to ssh2.
 *
 * A user is known by a name and one public key. Everything is bounded: connections, the time until one is
 * let in, tries, and what one connection may have open.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import ssh2, { type Authentication, type Channel, type Connection, type Session } from 'ssh2'

export type Terminal = { readonly kind: string; readonly columns: number; readonly rows: number }

/** What a client may ask for. `connect` is to the loopback of wherever the process runs. */
export type Wish =
  | { readonly kind: 'shell'; readonly terminal: Terminal | null }
  | { readonly kind: 'exec'; readonly command: string; readonly terminal: Terminal | null }
  | { readonly kind: 'files' }
  | { readonly kind: 'connect'; readonly port: number }

/** A process that does it. `exit` never rejects. */
export type Fulfilled = {
  readonly stdin: Writable
  readonly output: Readable
  readonly errors: Readable
  readonly exit: Promise<{ readonly code: number }>
  readonly hangup: () => void
  readonly resize: (columns: number, rows: number) => void
}

export type SshUser = {
  /** `ssh-rsa AAAA…` */
  readonly key: string
  /** Rejects with what the user is told. */
  readonly fulfil: (wish: Wish) => Promise<Fulfilled>
}

export type SshOptions = {
  /** Port 0: any. */
  readonly listen: { readonly host: string; readonly port: number }
  /** Private key in OpenSSH's format. */
  readonly hostKey: string
  /** Undefined: nobody of that name. */
  readonly userOf: (name: string) => SshUser | undefined
  /** First byte of the output of a `connect` that was made. */
  readonly connectedByte: number
  readonly limits?: Partial<SshLimits>
}

export type SshServer = {
  readonly port: number
  /** Closes every connection. */
  readonly close: () => Promise<void>
}

/** Times in milliseconds. */
const limitsByDefault = {
  connectionsMax: 200,
  loginMs: 20_000,
  triesMax: 6,
  channelsMax: 10,
  keepAliveMs: 15_000,
  /** Unanswered, one after the other. */
  keepAlivesMax: 3,
}
export type SshLimits = Readonly<typeof limitsByDefault>

const ident = 'manifold'
/** Ways to say "where the process runs". */
const loopbacks = new Set(['0.0.0.0', '127.0.0.1', 'localhost', '::', '::1'])
/** Status of what could not be run. */
const notRunCode = 255
const commandBytesMax = 32 * 1024

/** Whether it is a public key that a client may log in with. */
export const isPublicKey = (text: string): boolean => !(ssh2.utils.parseKey(text) instanceof Error)

/** Listens; rejects when it cannot. */
export const openSshServer = (options: SshOptions): Promise<SshServer> => {
  const limits = { ...limitsByDefault, ...options.limits }
  const sockets = new Map<string, Joiner>()
  const engine = new ssh2.Server({
    hostKeys: [options.hostKey],
    ident,
    keepaliveInterval: limits.keepAliveMs,
    keepaliveCountMax: limits.keepAlivesMax,
  })
  engine.on('connection', (client, { ip, port }) => {
    const joiner = sockets.get(`${ip}:${port}`)
    if (joiner === undefined) client.end()
    else attend(client, joiner, options, limits)
  })

  const listener = createServer((socket) => {
    const name = `${socket.remoteAddress}:${socket.remotePort}`
    // Also for those who never say what they speak.
    const late = setTimeout(() => socket.destroy(), limits.loginMs)
    sockets.set(name, { socket, letIn: () => clearTimeout(late) })
    socket.setNoDelay(true)
    socket.once('close', () => {
      clearTimeout(late)
      sockets.delete(name)
    })
    socket.on('error', () => socket.destroy())
    engine.injectSocket(socket)
  })
  listener.maxConnections = limits.connectionsMax

  return new Promise((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(options.listen.port, options.listen.host, () => {
      listener.off('error', reject)
      resolve({
        port: (listener.address() as AddressInfo).port,
        close: () =>
          new Promise((closed) => {
            listener.close(() => closed())
            for (const { socket } of sockets.values()) socket.destroy()
          }),
      })
    })
  })
}

/** Who is not let in in time is sent away. */
type Joiner = { readonly socket: Socket; readonly letIn: () => void }

const attend = (
  client: Connection,
  { socket, letIn }: Joiner,
  options: SshOptions,
  limits: SshLimits,
): void => {
  let user: SshUser | undefined
  let tries = 0
  let open = 0
  client.on('error', () => socket.destroy())
  client.on('authentication', (asked) => {
    const known = options.userOf(asked.username)
    if (known !== undefined && isTheirs(asked, known.key)) {
      // Without a signature it is only asked whether this key would do.
      if (asked.signature !== undefined) user = known
      return asked.accept()
    }
    if (asked.method !== 'none') tries += 1
    asked.reject(['publickey'])
    if (tries >= limits.triesMax) client.end()
  })
  client.on('ready', letIn)
  /** Takes one of the places of this connection; undefined when none is left. */
  const place = (): (() => void) | undefined => {
    if (user === undefined || open >= limits.channelsMax) return undefined
    open += 1
    let isFree = false
    return () => {
      if (!isFree) open -= 1
      isFree = true
    }
  }
  client.on('session', (accept, reject) => {
    const leave = place()
    if (user === undefined || leave === undefined) return reject()
    const session = accept()
    session.on('close', leave)
    converse(session, user, socket)
  })
  client.on('tcpip', (accept, reject, { destIP, destPort }) => {
    const leave = place()
    if (user === undefined || leave === undefined) return reject()
    const refuse = (): void => {
      leave()
      reject()
    }
    if (!loopbacks.has(destIP) || destPort < 1 || destPort > 65_535) return refuse()
    user.fulfil({ kind: 'connect', port: destPort }).then(async (made) => {
      const first = await firstByte(made.output)
      const channel = first === options.connectedByte && !socket.destroyed ? accept() : undefined
      if (channel === undefined) {
        made.hangup()
        return refuse()
      }
      channel.once('close', leave)
      return join(channel, made)
    }, refuse)
  })
}

const isTheirs = (asked: Authentication, text: string): boolean => {
  const key = ssh2.utils.parseKey(text)
  if (asked.method !== 'publickey' || asked.key === undefined || key instanceof Error) return false
  if (asked.key.algo !== key.type || !asked.key.data.equals(key.getPublicSSH())) return false
  return asked.signature === undefined || key.verify(asked.blob, asked.signature, asked.hashAlgo) === true
}

/** One session: a terminal perhaps, then a command, a shell or a transfer of files, once. */
const converse = (session: Session, user: SshUser, socket: Socket): void => {
  let terminal: Terminal | null = null
  let running: Fulfilled | undefined
  let hasBegun = false
  session.on('pty', (accept, _reject, { cols, rows, term = 'dumb' }) => {
    terminal = { kind: /^[\w.+-]{1,64}$/.test(term) ? term : 'dumb', columns: cols || 80, rows: rows || 24 }
    accept?.()
  })
  session.on('window-change', (accept, _reject, { cols, rows }) => {
    if (terminal !== null) terminal = { ...terminal, columns: cols, rows }
    running?.resize(cols, rows)
    accept?.()
  })
  const begin = (wish: Wish, accept: () => Channel, reject: (() => void) | undefined): void => {
    if (hasBegun) return reject?.()
    hasBegun = true
    const channel = accept()
    // What is typed meanwhile waits in it.
    user.fulfil(wish).then(
      (made) => {
        running = made
        if (socket.destroyed) made.hangup()
        void join(channel, made)
      },
      (error: unknown) => {
        const text = error instanceof Error ? error.message : 'it could not be run'
        const where = terminal === null ? channel.stderr : channel
        where.write(`${text}\r\n`, () => {
          channel.exit(notRunCode)
          channel.end()
        })
      },
    )
  }
  session.on('shell', (accept, reject) => begin({ kind: 'shell', terminal }, accept, reject))
  session.on('exec', (accept, reject, { command }) => {
    if (Buffer.byteLength(command) > commandBytesMax) return reject?.()
    return begin({ kind: 'exec', command, terminal }, accept, reject)
  })
  session.on('subsystem', (accept, reject, { name }) => {
    if (name === 'sftp') begin({ kind: 'files' }, accept, reject)
    else reject?.()
  })
}

/** Bytes both ways until the process has ended and the client has all of it, or is gone. */
const join = async (channel: Channel, made: Fulfilled): Promise<void> => {
  const ignore = (): void => undefined
  for (const stream of [channel, channel.stderr, made.stdin, made.output, made.errors])
    stream.on('error', ignore)
  const gone = new Promise<void>((resolve) => channel.once('close', resolve))
  void gone.then(() => {
    made.hangup()
    // Nobody reads any more: what goes on must not be held up by what it says.
    made.output.unpipe(channel).resume()
    made.errors.unpipe(channel.stderr).resume()
  })
  channel.pipe(made.stdin)
  made.output.pipe(channel, { end: false })
  made.errors.pipe(channel.stderr)
  const said = new Promise<void>((resolve) => made.output.once('end', resolve).once('close', resolve))
  const complained = new Promise<void>((resolve) => channel.stderr.once('finish', resolve))
  const { code } = await made.exit
  await Promise.race([gone, Promise.all([said, complained])])
  // The client closes the connection: what is on its way would be lost if we did.
  channel.exit(code)
  channel.end()
}

/** The first byte of what it says, or undefined; the rest stays in it. */
const firstByte = (output: Readable): Promise<number | undefined> =>
  new Promise((resolve) => {
    const over = (): void => end(undefined)
    const look = (): void => {
      const bytes: unknown = output.read(1)
      if (Buffer.isBuffer(bytes)) end(bytes[0])
    }
    const end = (byte: number | undefined): void => {
      output.off('readable', look)
      for (const event of ['end', 'close', 'error']) output.off(event, over)
      resolve(byte)
    }
    output.on('readable', look)
    for (const event of ['end', 'close', 'error']) output.on(event, over)
  })
