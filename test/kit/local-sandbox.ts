/**
 * A build sandbox without isolation: plain processes, with the mounts' sources put in the place of their
 * targets.
 *
 * Starts children through `env -i`, so that nothing of the test runner's environment gets into them.
 */
import { spawn } from 'node:child_process'
import { killAll } from '../../src/oci/signal.ts'
import { placer, type Sandbox } from '../../src/slug/sandbox.ts'

export const localSandbox: Sandbox = (job) =>
  new Promise((resolve, reject) => {
    const place = placer(job.mounts)
    const env = Object.entries(job.env).map(([name, value]) => `${name}=${place(value)}`)
    const child = spawn('env', ['-i', ...env, ...job.argv.map(place)], {
      cwd: place(job.cwd),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let timedOut = false
    const kill = (): void => {
      if (child.pid !== undefined) killAll([-child.pid], 'SIGKILL')
    }
    const deadline = setTimeout(() => {
      timedOut = true
      kill()
    }, job.timeoutMs)
    job.signal?.addEventListener('abort', kill, { once: true })
    child.stdout.on('data', job.onOutput)
    child.stderr.on('data', job.onOutput)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(deadline)
      job.signal?.removeEventListener('abort', kill)
      resolve({ code: code ?? 1, timedOut })
    })
  })
