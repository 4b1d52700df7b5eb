/**
 * The smallest root file system that runs a shell: a few programs of this machine and what they are linked
 * to.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const programs = ['/bin/sh', '/bin/bash', '/bin/cat', '/bin/sleep']

/** Makes it in a folder. */
export const tinyRoot = async (folder: string): Promise<void> => {
  for (const name of ['app', 'dev', 'etc', 'proc', 'sys', 'tmp', 'etc/heroku'])
    await mkdir(join(folder, name), { recursive: true })
  for (const program of programs) {
    const { stdout } = await exec('ldd', [program])
    for (const path of [program, ...(stdout.match(/\/\S+(?= \(0x)/g) ?? [])]) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await copyFile(path, join(folder, path))
    }
  }
}
