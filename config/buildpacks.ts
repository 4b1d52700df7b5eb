/**
 * The buildpacks that ship with the platform, each in a folder of its name (without `heroku/`) in
 * config/buildpacks, in the order in which they are asked: Heroku's, then the fallbacks.
 */
import { join } from 'node:path'

export const builtinNames = [
  'heroku/ruby',
  'heroku/nodejs',
  'heroku/python',
  'heroku/go',
  'heroku/static',
  'heroku/procfile',
] as const

/** Taken only when none of the others fits an app; Heroku has none of them among its defaults. */
export const fallbackNames: readonly string[] = ['heroku/static', 'heroku/procfile']

/** The folder of each, by name. */
export const builtinFolders: Readonly<Record<string, string>> = Object.fromEntries(
  builtinNames.map((name) => [name, join(import.meta.dirname, 'buildpacks', name.slice('heroku/'.length))]),
)

/** What the built-in ones have in common: a folder of shell functions, and where it lies for them. */
export const helpers = {
  env: { MANIFOLD_BUILDPACK_LIB: '/opt/manifold/buildpack-lib' },
  mounts: [
    {
      source: join(import.meta.dirname, 'buildpacks/lib'),
      target: '/opt/manifold/buildpack-lib',
      mode: 'ro' as const,
    },
  ],
}

/** What serves the build mirror inside a build: see src/slug/mirror.ts. */
export const mirrorProgram = join(import.meta.dirname, 'build-mirror')
