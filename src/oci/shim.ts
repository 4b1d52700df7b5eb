/**
 * Shim: the keeper of one plain process, as conmon is of a container. It outlives whoever started it.
 *
 * Run as `node shim.ts <id> <dir>`: reads `shim.json`, starts the command in a session of its own, writes its
 * output to `log` in conmon's format (rotated the same way) and, last of all, its exit code to `exit/<id>`.
 * The first process's end is the end of its process group.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { statusOf } from './child.ts'
import type { LogStream } from './driver.ts'
import { logFileBytesMax } from './log-file.ts'
import { replaceFile } from './record.ts'
import { killAll } from './signal.ts'

/** What `shim.json` holds. */
export type ShimSpec = {
  argv: readonly string[]
  /** The same for streams held by us instead: stderr joins stdout unless there is a terminal. */
  attachedArgv: readonly string[]
  cwd: string
  env: Readonly<Record<string, string>>
}

const recordBytes = 8 * 1024
const drainMs = 1_000
const newline = 0x0a

const openOutput = (dir: string): ((stream: LogStream, chunk: Buffer) => void) => {
  const path = join(dir, 'log')
  let file = openSync(path, 'a', 0o600)
  let bytes = 0
  const put = (record: Buffer): void => {
    if (bytes > 0 && bytes + record.length > logFileBytesMax) {
      closeSync(file)
      file = openSync(`${path}.tmp`, 'w', 0o600)
      renameSync(`${path}.tmp`, path)
      bytes = 0
    }
    writeSync(file, record)
    bytes += record.length
  }
  return (stream, chunk) => {
    const at = new Date().toISOString().replace('Z', '000000+00:00')
    for (let start = 0; start < chunk.length;) {
      const limit = Math.min(chunk.length, start + recordBytes)
      const found = chunk.subarray(start, limit).indexOf(newline)
      const end = found < 0 ? limit : start + found
      const head = Buffer.from(`${at} ${stream} ${found < 0 ? 'P' : 'F'} `)
      put(Buffer.concat([head, chunk.subarray(start, end), Buffer.from('\n')]))
      start = found < 0 ? end : end + 1
    }
  }
}

const keep = (id: string, dir: string): void => {
  const spec = JSON.parse(readFileSync(join(dir, 'shim.json'), 'utf8')) as ShimSpec
  const [file = '', ...args] = spec.argv
  const output = openOutput(dir)
  const child = spawn(file, args, {
    cwd: spec.cwd,
    env: { ...spec.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const end = (code: number): void => {
    void replaceFile(join(dir, 'exit', id), String(code)).then(() => process.exit(0))
  }
  child.on('error', (error) => {
    output('stderr', Buffer.from(`${error.message}\n`))
    end(127)
  })
  const { pid } = child
  if (pid === undefined) return
  writeFileSync(join(dir, 'pid'), String(pid))
  child.stdout.on('data', (chunk: Buffer) => output('stdout', chunk))
  child.stderr.on('data', (chunk: Buffer) => output('stderr', chunk))
  child.on('exit', (code, signal) => {
    killAll([-pid], 'SIGKILL')
    const result = statusOf(code, signal)
    // A process that left the group may hold the pipes open for ever.
    const timer = setTimeout(() => end(result), drainMs)
    child.on('close', () => {
      clearTimeout(timer)
      end(result)
    })
  })
  // Whoever started us waits for this line.
  writeSync(3, `${pid}\n`)
  closeSync(3)
}

const [id, dir] = process.argv.slice(2)
if (id !== undefined && dir !== undefined) keep(id, dir)
