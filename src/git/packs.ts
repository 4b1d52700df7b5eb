/**
 * Packs: the objects that some commits reach and others do not, as one stream, and such a stream taken into
 * a repository (git-pack-objects(1), git-index-pack(1)).
 *
 * A pack here is thin: it may lean on objects of what it is told to leave out, so it is taken into a
 * repository that has those.
 */
import { git, gitFeed, gitStream, type GitRun } from './run.ts'

export type PackRange = {
  /** Ids of commits and tags that it reaches from. */
  readonly want: readonly string[]
  /** Ids whose objects are left out; those that the repository does not have (any more) count for nothing. */
  readonly without: readonly string[]
}

const headBytes = 12
const countAt = 8

/**
 * Made as it is read; undefined when there is no object to pack. Reading throws a GitError when git fails, so
 * that what was read counts for nothing.
 */
export async function packOf(
  dir: string,
  { want, without }: PackRange,
  run: GitRun = {},
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const left = await present(dir, without, run)
  const argv = ['--git-dir', dir, 'pack-objects', '--revs', '--stdout', '--thin', '--delta-base-offset', '-q']
  const input = [...want, ...left.map((id) => `^${id}`), ''].join('\n')
  const stream = gitStream(argv, { ...run, input })
  let head = Buffer.alloc(0)
  while (head.length < headBytes) {
    const { done, value } = await stream.next()
    if (done === true) break
    head = Buffer.concat([head, value])
  }
  if (head.length >= headBytes && head.readUInt32BE(countAt) > 0) return chained(head, stream)
  // To its end, where a failure of git's would be told.
  for await (const _ of stream);
  return undefined
}

async function* chained(head: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield head
    yield* rest
  } finally {
    await rest.return(undefined)
  }
}

/** Those of the ids that the repository has. */
async function present(dir: string, ids: readonly string[], run: GitRun): Promise<string[]> {
  if (ids.length === 0) return []
  const argv = ['--git-dir', dir, 'cat-file', '--batch-check=%(objectname) %(objecttype)']
  const answer = await git(argv, { ...run, input: `${ids.join('\n')}\n` })
  return answer
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(' missing'))
    .map((line) => line.slice(0, line.indexOf(' ')))
}

/** Takes a pack in; it is verified on the way. Throws a GitError. */
export const addPack = (dir: string, pack: AsyncIterable<Uint8Array>): Promise<void> =>
  gitFeed(['--git-dir', dir, 'index-pack', '--stdin', '--fix-thin'], pack)
