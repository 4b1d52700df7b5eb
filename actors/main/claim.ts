/**
 * What must be ours before anything is started: the home, which one host process may use at a time, and the
 * ports.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isAlive, processOf, type ProcessId } from '../../src/system/process.ts'
import type { HomePaths } from './paths.ts'

/** Says in one line what is taken and by whom. */
export class Taken extends Error {
  override readonly name = 'Taken'
  readonly code = 'taken'
}

const readClaim = (file: string): ProcessId | undefined => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessId
  } catch {
    // None, or half of one from a power cut: nobody's.
    return undefined
  }
}

/** @returns gives the home back. @throws Taken when another host process that lives has it */
export const claimHome = (home: string, paths: HomePaths): (() => void) => {
  mkdirSync(paths.run, { recursive: true, mode: 0o700 })
  const file = join(paths.run, 'host.json')
  const holder = readClaim(file)
  if (holder !== undefined && holder.pid !== process.pid && isAlive(holder))
    throw new Taken(`MANIFOLD_HOME=${JSON.stringify(home)} is in use by the manifold with pid ${holder.pid}`)
  const own = processOf(process.pid)
  writeFileSync(`${file}.new`, JSON.stringify(own ?? { pid: process.pid, startTicks: '' }), { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return () => rmSync(file, { force: true })
}

/** @throws Taken when something else listens there */
export const needPort = (variable: string, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'something listens there already' : error.message
      const todo = `end what has it, or set ${variable} to a free port`
      reject(new Taken(`${variable}=${port} cannot be used: ${why}; ${todo}`))
    })
    server.listen(port, host, () => server.close(() => resolve()))
  })
