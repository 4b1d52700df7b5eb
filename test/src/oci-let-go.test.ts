/** Letting a created container run without a process of runc for it. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { letGo } from '../../src/oci/let-go.ts'

const fifoOf = (folder: string): string => {
  const fifo = join(folder, 'exec.fifo')
  execFileSync('mkfifo', [fifo])
  return fifo
}

t.test('who waits at the fifo is let go, whoever comes first, and the fifo is taken away', async (t) => {
  const fifo = fifoOf(t.testdir())
  const going = letGo(fifo)
  const waiting = spawn('/bin/sh', ['-c', `printf 0 >"$1"; exec sleep 60`, 'sh', fifo], { stdio: 'ignore' })
  t.teardown(() => waiting.kill('SIGKILL'))
  t.equal(await going, true)
  t.notOk(existsSync(fifo))
  const again = fifoOf(t.testdir({ second: {} }))
  const first = spawn('/bin/sh', ['-c', `printf 0 >"$1"`, 'sh', again], { stdio: 'ignore' })
  const ended = new Promise((resolve) => first.once('exit', resolve))
  t.equal(await letGo(again), true)
  t.equal(await ended, 0, 'its byte was read: it had no broken pipe')
})

t.test('it is left to runc where there is no fifo, or nobody says a word at it', async (t) => {
  t.equal(await letGo(join(t.testdir(), 'exec.fifo')), false)
  const fifo = fifoOf(t.testdir({ silent: {} }))
  const going = letGo(fifo)
  execFileSync('/bin/sh', ['-c', `: >"$1"`, 'sh', fifo])
  t.equal(await going, false)
  t.ok(existsSync(fifo))
})
