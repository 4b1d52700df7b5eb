/**
 * The peer `docker run`: an engine of the bench's own, with the stack's tree imported as an image.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nowMs, sayWhen, whenOf } from './when.ts'

export type Docker = {
  /** Milliseconds from the start of the client to the process. `slug` is shown as /app. */
  readonly run: (slug: string, argvOf: (command: string) => readonly string[]) => Promise<number>
  /** One that stays, without a port. @returns the pid of what keeps it */
  readonly keep: (slug: string) => Promise<number>
  readonly close: () => Promise<void>
}

const exec = promisify(execFile)
const engine = join(import.meta.dirname, '../../chaos/worlds/compose/engine')
const importMsMax = 300_000

/** @param folder its data; @param root of the stack. Undefined: it is not installed or does not start. */
export const startDocker = async (
  folder: string,
  root: string,
  log: (line: string) => void,
): Promise<Docker | undefined> => {
  if (!['/usr/sbin/dockerd', '/usr/bin/dockerd'].some((path) => existsSync(path))) return undefined
  const stop = async (): Promise<void> => void (await exec('bash', [engine, 'stop', folder]))
  try {
    await exec('bash', [engine, 'start', folder])
    const { stdout } = await exec('bash', [engine, 'host', folder])
    const host = stdout.trim()
    const docker = async (...args: readonly string[]): Promise<string> =>
      (await exec('docker', ['--host', host, ...args])).stdout.trim()
    await exec('bash', ['-c', 'tar -C "$1" -c . | docker --host "$2" import - stack', 'bash', root, host], {
      timeout: importMsMax,
    })
    const mount = (slug: string): readonly string[] => ['--volume', `${slug}:/app:ro`, '--workdir', '/app']
    return {
      run: async (slug, argvOf) => {
        const beganMs = nowMs()
        return whenOf(await docker('run', '--rm', ...mount(slug), 'stack', ...argvOf(sayWhen))) - beganMs
      },
      keep: async (slug) => {
        const id = await docker('run', '--detach', ...mount(slug), 'stack', 'sleep', '86400')
        const { stdout: ps } = await exec('pgrep', ['-f', `^/\\S*containerd-shim.* -id ${id}`])
        return Number(ps.trim().split('\n')[0])
      },
      close: async () => {
        const ids = (await docker('ps', '--all', '--quiet')).split('\n').filter(Boolean)
        if (ids.length > 0) await docker('rm', '--force', ...ids)
        await stop()
      },
    }
  } catch (error) {
    log(`no docker: ${error instanceof Error ? error.message : 'unknown'}`)
    await stop()
    return undefined
  }
}
