/**
 * Driver: what a container engine offers, whichever way it isolates.
 *
 * Two engines keep this contract: `oci` (runc under conmon, root) and `process` (plain processes, no
 * isolation). Neither knows what a container is for. A container belongs to the state directory, not to the
 * process that started it: whoever opens the same directory later finds it again, running or exited.
 */
import type { Readable, Writable } from 'node:stream'

/**
 * One directory shown inside as the container's own: `overlay` is a private writable view, gone at stop;
 * `ro` and `rw` are plain binds. `machine` is a directory or file shown read-only as it is: its owners keep
 * it, and what others may not read the container cannot.
 */
export type Layer = { source: string; target: string; mode: 'overlay' | 'ro' | 'rw' | 'machine' }

/**
 * Bounds of one container; bytes are bytes, `swapBytes` comes on top of `memoryBytes`. `diskBytes` is for
 * what it writes to overlays and to /tmp together.
 */
export type Limits = {
  memoryBytes: number
  swapBytes: number
  pidsMax: number
  cpuShares: number
  openFilesMax: number
  diskBytes: number
}

/** What to run. `id` is `[a-z0-9][a-z0-9.-]{0,63}` and is never used twice in one state directory. */
export type ContainerSpec = {
  id: string
  root: string
  layers: readonly Layer[]
  argv: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
  limits: Limits
  files?: readonly { target: string; text: string }[]
  hostname: string
  labels: Readonly<Record<string, string>>
  terminal?: { columns: number; rows: number }
  network: 'own' | 'host'
  /** Names that lead to these addresses, of its own loopback mostly: it may listen below port 1024 there. */
  hosts?: Readonly<Record<string, string>>
  /** The port on which it serves, if it does: other hosts that are admitted reach it, see `Outer`. */
  expose?: number
}

/**
 * How another host reaches an exposed container: this host's address and a port that leads to this container
 * and to no other, nor soon to a later one.
 */
export type Outer = { address: string; port: number }

/**
 * How a container ended. `code` is null only with `lost`: it ended while nothing was left to see it (power
 * loss, a killed conmon). `signal` is derived from a code above 128 where the engine has no better knowledge.
 */
export type Exit = { code: number | null; signal?: NodeJS.Signals; oomKilled: boolean; lost?: true }

/** `paths` maps each layer and file target to where the container's own processes see it. */
export type Started = {
  id: string
  pid: number
  address: string
  /** Exposed, and this host's own address is known: see `admit`. */
  outer?: Outer
  startedAtMs: number
  paths: Readonly<Record<string, string>>
}

/**
 * A container with live standard streams. `output` carries stdout and stderr in the order written; ending
 * `stdin` gives end of file inside when there is no terminal.
 */
export type Attached = {
  id: string
  address: string
  outer?: Outer
  stdin: Writable
  output: Readable
  exit: Promise<Exit>
}

/**
 * One more process for a running container. Without a terminal stderr comes by itself, or with stdout in the
 * order written (`merge`).
 */
export type ExecSpec = {
  argv: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
  terminal?: { columns: number; rows: number }
  merge?: boolean
}

/** A process executed in a container, which ends with the container and with whoever holds its streams. */
export type Executed = {
  stdin: Writable
  output: Readable
  /** Empty with a terminal or merged. */
  errors: Readable
  /** 128 and the signal's number when one ended it. */
  exit: Promise<{ code: number }>
  /** SIGHUP to all of its session; what does not heed it is killed 10 s later. */
  hangup(): void
  /** Does nothing without a terminal. */
  resize(columns: number, rows: number): void
}

/** A container of the state directory. `startedAtMs` is 0 when its start never finished. */
export type Found = {
  id: string
  labels: Readonly<Record<string, string>>
  pid: number
  address: string
  outer?: Outer
  startedAtMs: number
  attached: boolean
  state: 'running' | 'exited'
  exit?: Exit
}

/**
 * Where a follower stands in a container's log; plain data, keep it to resume. `file` names one file of the
 * rotated log (0: the oldest there is), `offset` is in bytes, `lines` counts all before it, also those that
 * were not handed on: the number of the next one. `partial` holds what was read of lines not yet complete.
 */
export type LogCursor = {
  file: number
  offset: number
  lines: number
  partial?: Readonly<Partial<Record<LogStream, { at: string; base64: string }>>>
}
export type LogStream = 'stdout' | 'stderr'

/** One line without its newline, at most `lineBytesMax` long; `at` is RFC 3339 with nanoseconds. */
export type LogLine = { at: string; stream: LogStream; bytes: Buffer }

/**
 * A run of lines. `cursor` resumes behind them. `dropped` counts the lines before them that were too many
 * (log-file.ts says how many that is). `lost` says that rotation may have taken log files away unread (nobody
 * read, or far too slowly): the lines of this batch come after the hole, whose size is not known.
 */
export type LogBatch = { lines: readonly LogLine[]; cursor: LogCursor; dropped?: Dropped; lost: boolean }

/** Lines that were read and not handed on, and when the first of them was printed. */
export type Dropped = { count: number; since: string }

/** `done` resolves at the end of the log of an exited container, or on close. */
export type Follower = { done: Promise<void>; close(): void }

/**
 * What a container uses now. `pgpgin` and `pgpgout` count pages since its start, `diskBytes` is what its disk
 * takes of the host's; 0 where the engine does not know. `runnable` is how many of its tasks run or wait for
 * a processor, of the first few thousand.
 */
export type Stats = {
  memoryBytes: number
  rssBytes: number
  cacheBytes: number
  swapBytes: number
  pgpgin: number
  pgpgout: number
  diskBytes: number
  pids: number
  runnable: number
}

/** What of the contract this machine cannot keep, each in one line for an operator; mostly nothing. */
export type Gaps = readonly string[]

export type Swept = { removed: readonly string[] }

export type Driver = {
  kind: 'oci' | 'process'
  /**
   * Of an engine whose containers share the host's ports: one for a container to serve on, which no other had
   * lately. Rejects with `OCI_ADDRESSES`.
   */
  lendPort?(): Promise<number>
  /** Starts detached. Rejects with `OCI_ID_TAKEN`, `OCI_SPEC`, `OCI_DISK`, `OCI_START`. */
  start(spec: ContainerSpec): Promise<Started>
  /** Starts with live streams; ends with the process that holds them. Rejects like `start`. */
  attach(spec: ContainerSpec): Promise<Attached>
  /**
   * Runs one more process in it: its user, its limits, its namespaces. Rejects with `OCI_UNKNOWN`,
   * `OCI_ENDED`, `OCI_EXECS`, `OCI_START`.
   */
  exec(id: string, spec: ExecSpec): Promise<Executed>
  /**
   * Says who the other hosts are: their addresses may come in to exposed containers, and no container reaches
   * them or `own`, under which they reach this one. Replaces what was said before.
   */
  admit(hosts: readonly string[], own: string): Promise<void>
  /** IPv4 addresses that no container reaches, beside those of `admit`. Replaces what was said before. */
  deny(addresses: readonly string[]): Promise<void>
  /** Everything the state directory knows. */
  list(): Promise<readonly Found[]>
  /** Resolves when the container has exited, also long ago. Rejects with `OCI_UNKNOWN`, `OCI_CLOSED`. */
  wait(id: string): Promise<Exit>
  /** To the first process, or to all of them. A container that is gone takes no signal and gives no error. */
  signal(id: string, signal: NodeJS.Signals, whom: 'init' | 'all'): Promise<void>
  stats(id: string): Promise<Stats>
  gaps(): Promise<Gaps>
  /** Kills what runs and frees everything the container held; a second call does nothing. */
  remove(id: string): Promise<void>
  /** Calls `onBatch` with each run of lines from `from` on and waits for it before it reads more. */
  follow(id: string, from: LogCursor, onBatch: (batch: LogBatch) => void | Promise<void>): Follower
  /** Removes what no listed container owns: after power loss, after a kill in the middle of a start. */
  sweep(): Promise<Swept>
  /** Stops watching. Containers run on. */
  close(): void
  /**
   * Removes what all containers share (bridge, firewall table, parent cgroup); refused while any is listed.
   */
  teardown(): Promise<void>
}

/** The cursor before the first line. */
export const logStart: LogCursor = { file: 0, offset: 0, lines: 0 }

/** Longer lines are split here. */
export const lineBytesMax = 10_000
