/** What setting an app up needs of the outside. */
import { effect } from '../../src/runtime/index.ts'
import type { BuildArchive } from '../protocols/build.ts'
import type { Planned } from '../protocols/setup.ts'

export const Setups = {
  /**
   * Fetches the source and reads its app.json. Fails as `source` when there is none to be had, and as
   * `manifest` when app.json is not right: its message has one fault a line.
   */
  fetch: effect<
    {
      setupId: string
      archive: BuildArchive
      stack: string
      env: Readonly<Record<string, string>>
      buildpacks: readonly string[]
    },
    { sourceDir: string; planned: Planned }
  >('setups.fetch'),
  /** Removes a source that no build will take over. */
  drop: effect<{ sourceDir: string }, void>('setups.drop'),
  /** Waits for a process that attaches with that token, and gives what it said and how it ended. */
  listen: effect<{ token: string }, { output: string; exitCode: number }>('setups.listen'),
}
