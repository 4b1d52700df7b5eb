/**
 * suite: the test files of one folder in one process, one after the other. A process of its own costs a file
 * 1.3 to 2 s of processor under the runner, more than most files take; each still runs alone as well.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'

import { until } from './until.ts'

const fileTimeoutMs = 600_000
const letGoWithinMs = 30_000

/**
 * What may be open at the end of a file: the runner's own pipes. Node lists what holds up the end of the
 * process alone, so idle sockets of a pool and timers that do not count are none.
 */
const ownKinds = new Set(['PipeWrap', 'TTYWrap', 'FSReqPromise', 'Immediate'])

const open = (): readonly string[] => process.getActiveResourcesInfo().filter((kind) => !ownKinds.has(kind))

/** What a file leaves to its end, done then and not at the end of all: what it opened last goes first. */
const ends: Array<() => unknown> = []
const endFile = async (): Promise<void> => {
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end()
}

/**
 * Runs each `*.test.ts` of a folder under `test` whose name is wanted, in the order of the alphabet. Behind
 * each it holds that nothing of it goes on: no socket, server, timer, child or watch.
 */
export const runFolder = async (folder: string, wanted = /^/): Promise<void> => {
  const path = join(import.meta.dirname, '..', folder)
  t.teardown = (end) => void ends.push(end)
  for (const name of readdirSync(path).toSorted()) {
    if (!name.endsWith('.test.ts') || !wanted.test(name)) continue
    t.setTimeout(fileTimeoutMs)
    t.comment(`${folder}/${name}`)
    await import(pathToFileURL(join(path, name)).href)
    // Not buffered: it waits for those that a file let run beside each other.
    await t.test(`${folder}/${name} leaves nothing that goes on`, { buffered: false }, async (t) => {
      await endFile()
      await until(() => open().length === 0, { timeoutMs: letGoWithinMs, what: 'its end' }).catch(() => {})
      t.strictSame(open(), [])
    })
    t.jobs = 1
  }
}
