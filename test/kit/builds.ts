/**
 * Builds for tests: small buildpacks of shell, and the slug compiler run on a tree of small files.
 */
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { compile, type Compiled, type CompileOptions } from '../../src/slug/compile.ts'
import { files } from './files.ts'
import { localSandbox } from './local-sandbox.ts'

/** A script of bash. */
export const shell = (text: string): string => `#!/usr/bin/env bash\n${text}\n`
/** A buildpack of shell that takes apps with a `<name>.app` file. */
export const simple = (name: string, compileText: string, release?: string): Record<string, string> => ({
  'bin/detect*': shell(
    `[ -f "$1/${name}.app" ] && echo ${name} || { echo "no ${name}.app here" >&2; exit 1; }`,
  ),
  'bin/compile*': shell(compileText),
  ...(release === undefined ? {} : { 'bin/release*': shell(`cat <<'YAML'\n${release}\nYAML`) }),
})

/** Directories of buildpacks by name. */
export type Builtins = Readonly<Record<string, string>>

/** Buildpacks that are asked in that order when none is set, and known by these names. */
export const named = (builtins: Builtins): Pick<CompileOptions, 'defaults' | 'findNamed'> => ({
  defaults: Object.keys(builtins),
  findNamed: async (name) => {
    const dir = builtins[name]
    return dir === undefined ? undefined : { kind: 'folder', dir }
  },
})

export type Built = {
  output: string
  result: Compiled | undefined
  failure: { code: string; text: string } | undefined
  dir: string
}

/** Compiles `source` with the real compiler in a plain sandbox; `dir` keeps cache and fetched buildpacks. */
export async function build(
  dir: string,
  source: Record<string, string>,
  { builtins = {}, ...options }: Partial<CompileOptions> & { builtins?: Builtins } = {},
): Promise<Built> {
  let output = ''
  const workDir = await mkdtemp(join(dir, 'work-'))
  const all: CompileOptions = {
    sandbox: localSandbox,
    workDir,
    cacheDir: join(dir, 'cache'),
    token: 'c0ffee12',
    stack: 'heroku-24',
    sourceVersion: 'abc123',
    requestId: 'r1',
    config: { SECRET: 'se cret', EMPTY: '' },
    platform: { env: {}, mounts: [] },
    onOutput: (text) => {
      output += text
    },
    checkout: async (into) => {
      await files(into, source)
    },
    slugFile: join(workDir, 'slug.tgz'),
    buildpacks: [],
    ...named(builtins),
    buildpackStore: join(dir, 'store'),
    ...options,
  }
  const [result, failure] = await compile(all).then(
    (made) => [made, undefined] as const,
    (cause: unknown) => [undefined, cause as { code: string; text: string }] as const,
  )
  return { output, result, failure, dir: workDir }
}
