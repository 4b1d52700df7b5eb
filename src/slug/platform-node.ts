/**
 * The platform's own Node.js and npm as one directory for builds (`bin/node`, `lib/node_modules/npm`).
 *
 * A build stack has no Node.js; the Node.js buildpack uses this one to read package.json and to fetch the
 * app's version.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Mount } from './sandbox.ts'

const exec = promisify(execFile)
const target = '/opt/manifold/node'

/**
 * Makes the directory when it is missing or of other versions, and gives what `compile` takes as `platform`.
 * `npm` is npm's package directory: see `findNpm`.
 */
export async function platformNode(
  dir: string,
  from: { node: string; npm: string },
): Promise<{ env: Record<string, string>; mounts: Mount[] }> {
  const { size, mtimeMs } = await stat(from.node)
  const { version } = JSON.parse(await readFile(join(from.npm, 'package.json'), 'utf8')) as {
    version: string
  }
  const stamp = `node ${size} ${mtimeMs} npm ${version}\n`
  const made = await readFile(join(dir, 'stamp'), 'utf8').catch(() => '')
  if (made !== stamp) {
    const part = `${dir}.part`
    await rm(part, { recursive: true, force: true })
    await mkdir(join(part, 'bin'), { recursive: true })
    await mkdir(join(part, 'lib/node_modules'), { recursive: true })
    const node = join(part, 'bin/node')
    // A link when both are on one file system, else a copy.
    await link(from.node, node).catch(() => copyFile(from.node, node, constants.COPYFILE_FICLONE))
    // Two thousand files: Node's own way takes four times as long.
    const npm = join(part, 'lib/node_modules/npm')
    await exec('cp', ['-RL', '--', from.npm, npm])
    // Every app gets a copy of npm: its manuals would be one file in seven.
    for (const name of ['docs', 'man']) await rm(join(npm, name), { recursive: true, force: true })
    await exec('find', [npm, '-type', 'f', '-name', '*.md', '-delete'])
    await writeFile(join(part, 'stamp'), stamp)
    await rm(dir, { recursive: true, force: true })
    await rename(part, dir)
  }
  return { env: { MANIFOLD_NODE_DIR: target }, mounts: [{ source: dir, target, mode: 'ro' }] }
}

/** npm's package directory, found by the `npm` command on a PATH. Throws when there is none. */
export async function findNpm(path: string): Promise<string> {
  for (const bin of path.split(':')) {
    // The command is a link to <package>/bin/npm-cli.js.
    const cli = await realpath(join(bin, 'npm')).catch(() => '')
    if (cli.endsWith('/bin/npm-cli.js')) return dirname(dirname(cli))
  }
  throw new Error('npm is not on the PATH')
}
