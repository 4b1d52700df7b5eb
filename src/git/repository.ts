/**
 * Bare repositories: made with the settings and hooks that a push needs, and their refs.
 *
 * The repository on disk is a working copy; its refs and packs in a durable store are the record. The hooks
 * are constant text (where the hook program lies comes in their environment), so one that is made again is
 * like a new one.
 */
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { git } from './run.ts'

/** Runs the hook program when the platform started the push; a push from elsewhere is refused. */
const preReceive = `#!/bin/sh
if [ -z "$MANIFOLD_HOOK_PROGRAM" ]; then
  echo '!	Push rejected, this repository takes pushes through the platform only' >&2
  exit 1
fi
exec "$MANIFOLD_HOOK_NODE" "$MANIFOLD_HOOK_PROGRAM"
`

export type RepositoryOptions = {
  /** Largest pack that a push may bring, in bytes. */
  packBytesMax?: number
}

/**
 * Makes a bare repository at `dir` (its parent must exist), HEAD at refs/heads/main, ready for pushes over
 * HTTP. Safe to repeat: settings and hooks are written again, refs and objects are left alone.
 */
export async function createRepository(dir: string, options: RepositoryOptions = {}): Promise<void> {
  await git(['init', '--quiet', '--bare', '--template=', '--initial-branch=main', dir])
  const settings = [
    '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogAllRefUpdates = false',
    // A push that was answered must survive a power cut: objects and refs reach the disk first (git 2.36
    // and later).
    '\tfsync = committed,reference',
    '[http]\n\treceivepack = true\n\tuploadpack = true\n\tgetanyfile = true',
    // Objects are checked on arrival; the three warnings below are common in old but sound histories.
    '[receive]\n\tfsckObjects = true\n\tautogc = false\n\tadvertiseAtomic = true',
    // While a build is silent a byte a second still says that the host lives; clients may hold it to that.
    '\tkeepAlive = 1',
    '\tadvertisePushOptions = true',
    `\tmaxInputSize = ${options.packBytesMax ?? 2 * 1024 ** 3}`,
    '[receive "fsck"]\n\tzeroPaddedFilemode = ignore\n\tbadTimezone = ignore',
    '\tmissingSpaceBeforeDate = ignore',
    '[uploadpack]\n\tkeepAlive = 1',
    '[transfer]\n\tunpackLimit = 100',
    '[gc]\n\tauto = 0',
  ]
  await writeAtomic(join(dir, 'config'), settings.join('\n') + '\n', 0o644)
  await mkdir(join(dir, 'hooks'), { recursive: true })
  await writeAtomic(join(dir, 'hooks/pre-receive'), preReceive, 0o755)
}

async function writeAtomic(file: string, text: string, mode: number): Promise<void> {
  await writeFile(`${file}.new`, text)
  await chmod(`${file}.new`, mode)
  await rename(`${file}.new`, file)
}

/** Points HEAD at a branch, so that a clone checks out what was deployed. */
export async function setHead(dir: string, branch: 'main' | 'master'): Promise<void> {
  await git(['--git-dir', dir, 'symbolic-ref', 'HEAD', `refs/heads/${branch}`])
}

/**
 * Packs loose objects and drops unreachable ones, when git thinks it is worth it. Not to run during a push.
 */
export async function tidyRepository(dir: string): Promise<void> {
  await git(['--git-dir', dir, '-c', 'gc.auto=2000', 'gc', '--auto', '--quiet'], { timeoutMs: 300_000 })
}

/** Every ref by its full name, with the id that it stands at. */
export async function refsOf(dir: string): Promise<Record<string, string>> {
  const text = await git(['--git-dir', dir, 'for-each-ref', '--format=%(objectname) %(refname)'])
  const lines = text.split('\n').filter((line) => line !== '')
  return Object.fromEntries(
    lines.map((line) => {
      const space = line.indexOf(' ')
      return [line.slice(space + 1), line.slice(0, space)]
    }),
  )
}

/** Makes its refs these and no others. Throws a GitError when it does not have what they stand at. */
export async function setRefs(dir: string, refs: Readonly<Record<string, string>>): Promise<void> {
  const gone = Object.keys(await refsOf(dir)).filter((ref) => !Object.hasOwn(refs, ref))
  // In a turn of their own: `a` must be gone before there can be `a/b`.
  await updateRefs(
    dir,
    gone.map((ref) => `delete ${ref}`),
  )
  await updateRefs(
    dir,
    Object.entries(refs).map(([ref, id]) => `update ${ref} ${id}`),
  )
}

const updateRefs = async (dir: string, commands: readonly string[]): Promise<void> => {
  if (commands.length === 0) return
  await git(['--git-dir', dir, 'update-ref', '--stdin'], { input: `${commands.join('\n')}\n` })
}
