/** Types for the part of npm `ssh2` that the server and its tests use; the package has none. */
declare module 'ssh2' {
  import type { EventEmitter } from 'node:events'
  import type { Duplex, Readable, Writable } from 'node:stream'

  export type ParsedKey = {
    readonly type: string
    getPublicSSH(): Buffer
    verify(data: Buffer, signature: Buffer, hash?: string): boolean | Error
  }
  export type Authentication = {
    readonly method: string
    readonly username: string
    readonly key?: { readonly algo: string; readonly data: Buffer }
    readonly signature?: Buffer
    readonly blob: Buffer
    readonly hashAlgo?: string
    accept(): void
    reject(methods?: readonly string[]): void
  }
  export type Channel = Duplex & {
    readonly stderr: Writable
    exit(status: number): void
    close(): void
  }
  export type Accept<T> = (() => T) | undefined
  export type Reject = (() => void) | undefined
  export type Size = { readonly cols: number; readonly rows: number }

  export interface Session extends EventEmitter {
    on(event: 'pty', listener: (ok: Accept<void>, no: Reject, info: Size & { term?: string }) => void): this
    on(event: 'window-change', listener: (ok: Accept<void>, no: Reject, info: Size) => void): this
    on(event: 'shell', listener: (ok: () => Channel, no: Reject) => void): this
    on(
      event: 'exec',
      listener: (ok: () => Channel, no: Reject, info: { readonly command: string }) => void,
    ): this
    on(
      event: 'subsystem',
      listener: (ok: () => Channel, no: Reject, info: { readonly name: string }) => void,
    ): this
    on(event: 'close', listener: () => void): this
  }
  export interface Connection extends EventEmitter {
    on(event: 'authentication', listener: (context: Authentication) => void): this
    on(event: 'ready' | 'close', listener: () => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'session', listener: (ok: () => Session, no: () => void) => void): this
    on(
      event: 'tcpip',
      listener: (
        ok: () => Channel | undefined,
        no: () => void,
        info: { readonly destIP: string; readonly destPort: number },
      ) => void,
    ): this
    end(): void
  }
  export interface Server extends EventEmitter {
    on(
      event: 'connection',
      listener: (client: Connection, info: { readonly ip: string; readonly port: number }) => void,
    ): this
    injectSocket(socket: Duplex): void
  }
  export interface Stats {
    readonly size: number
  }
  export interface Sftp {
    readFile(
      path: string,
      done: (error: (Error & { code?: number }) | undefined, bytes: Buffer) => void,
    ): void
    fastGet(remote: string, local: string, done: (error?: Error) => void): void
    stat(path: string, done: (error: (Error & { code?: number }) | undefined, stats: Stats) => void): void
    open(
      path: string,
      flags: string,
      done: (error: (Error & { code?: number }) | undefined, handle: Buffer) => void,
    ): void
    unlink(path: string, done: (error: (Error & { code?: number }) | undefined) => void): void
    realpath(path: string, done: (error: Error | undefined, path: string) => void): void
  }
  export interface ClientChannel extends Duplex {
    readonly stderr: Readable
    setWindow(rows: number, columns: number, height: number, width: number): void
    on(event: 'exit', listener: (code: number | null) => void): this
    on(event: string, listener: (...args: never[]) => void): this
  }
  export interface Client extends EventEmitter {
    connect(options: Readonly<Record<string, unknown>>): this
    exec(
      command: string,
      options: object,
      done: (error: Error | undefined, channel: ClientChannel) => void,
    ): this
    shell(options: object | false, done: (error: Error | undefined, channel: ClientChannel) => void): this
    sftp(done: (error: Error | undefined, sftp: Sftp) => void): this
    forwardOut(
      fromHost: string,
      fromPort: number,
      host: string,
      port: number,
      done: (error: (Error & { reason?: number }) | undefined, channel: ClientChannel) => void,
    ): this
    end(): this
  }
  const ssh2: {
    readonly Server: new (options: {
      readonly hostKeys: readonly string[]
      readonly ident?: string
      readonly keepaliveInterval?: number
      readonly keepaliveCountMax?: number
    }) => Server
    readonly Client: new () => Client
    readonly utils: {
      parseKey(text: string): ParsedKey | Error
      generateKeyPairSync(
        kind: 'rsa' | 'ed25519',
        options?: { readonly bits: number },
      ): { readonly public: string; readonly private: string }
    }
  }
  export default ssh2
}
