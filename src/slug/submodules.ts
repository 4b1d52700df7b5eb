/**
 * Commits of other repositories in a source tree: git fetches them in the sandbox, with the build's own
 * network and files, so an address can reach nothing that a build could not.
 */
import type { Bench } from './bench.ts'
import { BuildFailure } from './failure.ts'
import * as texts from './texts.ts'

/** A path in the tree, and the commit that is to be there; `.gitmodules` of the tree says from where. */
export type Submodule = { readonly path: string; readonly commit: string }

// git's own command does it, so that addresses, nested ones and hostile paths are what they are for git. It
// needs a repository around them, which is gone with all others afterwards.
const install = `set -eo pipefail
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1
{
  git init -q
  while [ $# -gt 0 ]; do git update-index --add --cacheinfo "160000,$1,$2"; shift 2; done
  [ ! -f .gitmodules ] || git add -f .gitmodules
  git submodule update --init --recursive
} 2>&1 | sed -u 's/^/       /'
find . -name .git -prune -exec rm -rf {} +`

/** Puts them into the tree, and git's words to the pusher. Throws a BuildFailure when one cannot be had. */
export async function installSubmodules(bench: Bench, submodules: readonly Submodule[]): Promise<void> {
  if (submodules.length === 0) return
  bench.say(texts.submodules)
  await bench.handOver(bench.buildDir)
  const tree = { name: 'git', source: bench.buildDir, target: bench.paths.build }
  const args = submodules.flatMap(({ path, commit }) => [commit, path])
  const { code } = await bench.run(install, args, tree)
  if (code !== 0) throw new BuildFailure('SUBMODULES_FAILED', texts.submodulesFailed)
}
