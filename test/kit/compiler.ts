/**
 * The compiler with the built-in buildpacks, in a plain sandbox: one scratch directory for all builds of a
 * test, so that caches and the platform's Node.js are filled once; and what was built, run as a dyno runs it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { builtinFolders, fallbackNames, helpers } from '../../config/buildpacks.ts'
import { compile, type Compiled, type CompileOptions } from '../../src/slug/compile.ts'
import { BuildFailure } from '../../src/slug/failure.ts'
import { findNpm, platformNode } from '../../src/slug/platform-node.ts'
import { passEnv } from '../../src/slug/sandbox.ts'
import { named } from './builds.ts'
import { files, scratch } from './files.ts'
import { localSandbox } from './local-sandbox.ts'

export type Compiling = Omit<CompileOptions, 'checkout' | 'onOutput'>
export type Built = { output: string; result?: Compiled; failure?: BuildFailure }

export type Compiler = {
  readonly dir: string
  /** Compile options of a build of that name. */
  readonly options: (build: string) => Promise<Compiling>
  /** Builds files by path, or a folder. */
  readonly build: (
    name: string,
    source: Readonly<Record<string, string>> | string,
    more?: Partial<CompileOptions>,
  ) => Promise<Built>
}

/**
 * `lightNode`: the platform's Node.js is a command that leads to it, so that builds which bring no other of
 * their own carry a line along, and not a program of 150 MB.
 */
export const openCompiler = async (t: Test, { lightNode = false } = {}): Promise<Compiler> => {
  const dir = await scratch(t)
  const npm = await findNpm(process.env['PATH'] ?? '')
  const node = lightNode ? join(dir, 'light-node') : process.execPath
  if (lightNode) await writeFile(node, `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 })
  const options = async (build: string): Promise<Compiling> => {
    const platform = await platformNode(join(dir, 'node'), { node, npm })
    return {
      sandbox: localSandbox,
      workDir: join(dir, build),
      cacheDir: join(dir, 'cache'),
      token: 'c0ffee12',
      stack: 'heroku-24',
      sourceVersion: 'abc123',
      requestId: build,
      config: {},
      platform: {
        env: { ...platform.env, ...helpers.env, ...passEnv(process.env) },
        mounts: [...platform.mounts, ...helpers.mounts],
      },
      slugFile: join(dir, `${build}.tgz`),
      buildpacks: [],
      ...named(builtinFolders),
      fallbacks: fallbackNames,
      buildpackStore: join(dir, 'store'),
    }
  }
  return {
    dir,
    options,
    async build(name, source, more = {}) {
      let output = ''
      const onOutput = (text: string): void => {
        output += text
      }
      const checkout = async (into: string): Promise<void> => {
        if (typeof source === 'string') await cp(source, into, { recursive: true })
        else await files(into, source)
      }
      try {
        const result = await compile({ ...(await options(name)), checkout, onOutput, ...more })
        return { output, result }
      } catch (failure) {
        if (!(failure instanceof BuildFailure)) throw failure
        return { output: output + failure.text, failure }
      }
    },
  }
}

/** Runs a command in an app as a dyno does: .profile.d first, in the app's directory. */
export const startDyno = (
  app: string,
  command: string,
  env: Readonly<Record<string, string>>,
): ChildProcess => {
  const all = Object.entries({ HOME: app, PATH: '/usr/local/bin:/usr/bin:/bin', ...env })
  const script = `for f in .profile.d/*.sh; do [ ! -f "$f" ] || . "$f"; done; exec ${command}`
  const argv = ['-i', ...all.map(([name, value]) => `${name}=${value}`), 'bash', '-c', script]
  return spawn('env', argv, { cwd: app, stdio: ['ignore', 'pipe', 'inherit'], detached: true })
}
