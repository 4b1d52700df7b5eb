/** Making a slug from source, and saying so to whoever watches the build. */
import { effect } from '../../src/runtime/index.ts'
import type { Slug } from '../protocols/shapes.ts'

export const Builder = {
  /**
   * Compiles what lies in `sourceDir` and keeps the slug in the object store. Output goes to the build's output stream.
   * Fails with the code of the failed step; its text has been shown already.
   */
  compile: effect<
    {
      buildId: string
      appId: string
      appName: string
      version: string
      sourceDir: string
      buildpacks: readonly string[]
      stack: string
      configId: string
    },
    { slug: Slug }
  >('builder.compile'),
  /** Text to the build's output stream. */
  say: effect<{ buildId: string; text: string }, void>('builder.say'),
  /** Ends the output stream. */
  end: effect<{ buildId: string; succeeded: boolean }, void>('builder.end'),
  /** Removes what is kept of an app for builds: repository, cache, slugs. */
  drop: effect<{ appId: string }, void>('builder.drop'),
}
