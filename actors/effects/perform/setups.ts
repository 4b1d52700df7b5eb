/** Performs Setups: the source fetched in the sandbox, app.json read, and the end of a one-off awaited. */
import { randomBytes } from 'node:crypto'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { stacks } from '../../../config/stacks.ts'
import { heroku } from '../../../config/heroku.ts'
import { EffectFailed, type Effects } from '../../../src/ports/effects.ts'
import type { Objects } from '../../../src/ports/store.ts'
import type { Rendezvous } from '../../../src/rendezvous/rendezvous.ts'
import { parseAppJson, type EnvWish, type Manifest } from '../../../src/slug/app-json.ts'
import { removeTree } from '../../../src/slug/remove-tree.ts'
import type { Mount, Sandbox } from '../../../src/slug/sandbox.ts'
import { readInside } from '../../../src/slug/source.ts'
import type { BuildArchive } from '../../protocols/build.ts'
import type { Planned } from '../../protocols/setup.ts'
import { checkoutArchive } from './build-archive.ts'
import { asEffectFailure } from './names.ts'
import type { Vars } from './vault.ts'

export type SetupsDeps = {
  /** `builds/` in it is for work under way. Absolute. */
  readonly home: string
  readonly sandboxOf: (stack: string) => Sandbox
  readonly objects: Objects
  readonly platform: { readonly env: Readonly<Record<string, string>>; readonly mounts: readonly Mount[] }
  readonly rendezvous: Pick<Rendezvous, 'reserve' | 'accept'>
}

type FetchArgs = {
  readonly setupId: string
  readonly archive: BuildArchive
  readonly stack: string
  readonly env: Vars
  readonly buildpacks: readonly string[]
}

const secretBytes = 32
const outputCharsMax = 64 * 1024
const postdeployMsMax = heroku.releasePhaseMsMax
const endPattern = /\uFFFF heroku-command-exit-status: (\d+)\s*$/
const greeting = /^rendezvous\r\n/
const endOfInput = Buffer.from([0x04])

export const performSetups = (deps: SetupsDeps): Effects => ({
  'setups.fetch': async ({ setupId, archive, stack, env, buildpacks }: FetchArgs, signal: AbortSignal) => {
    const folder = join(deps.home, 'builds', `setup-${setupId}`)
    try {
      const tree = await checkoutArchive({ ...deps, sandbox: deps.sandboxOf(stack), folder }, archive, signal)
      const text = await readInside(tree, 'app.json')
      if (text === undefined) throw new EffectFailed('manifest', 'app.json not found')
      const { manifest, errors } = parseAppJson(text)
      const faults = [...errors, ...unmet(manifest, env)]
      if (faults.length > 0) throw new EffectFailed('manifest', faults.join('\n'))
      const sourceDir = join(deps.home, 'builds', `source-${setupId}`)
      await rename(tree, sourceDir)
      return { sourceDir, planned: plannedOf(manifest, env, buildpacks) }
    } catch (error) {
      throw error instanceof EffectFailed ? error : asEffectFailure(error)
    } finally {
      await removeTree(folder)
    }
  },
  'setups.drop': ({ sourceDir }: { sourceDir: string }) => removeTree(sourceDir),
  'setups.listen': async ({ token }: { token: string }, signal: AbortSignal) => {
    const [process, client] = duplexPair()
    deps.rendezvous.reserve(token, heroku.attachTimeoutMs)
    deps.rendezvous.accept(token, process)
    const late = AbortSignal.any([signal, AbortSignal.timeout(postdeployMsMax)])
    const stop = (): void => void client.destroy()
    late.addEventListener('abort', stop, { once: true })
    client.write(endOfInput)
    let text = ''
    try {
      for await (const chunk of client.setEncoding('utf8') as AsyncIterable<string>)
        text = (text + chunk).slice(-2 * outputCharsMax)
    } catch {
      // What was said until then is what there is.
    } finally {
      late.removeEventListener('abort', stop)
      client.destroy()
    }
    const exitCode = endPattern.exec(text)?.[1]
    if (exitCode === undefined) throw new EffectFailed('postdeploy', 'its dyno went away before it ended')
    const output = text.replace(greeting, '').replace(endPattern, '').slice(-outputCharsMax)
    return { output, exitCode: Number(exitCode) }
  },
})

/** What the file asks for and cannot have, one line each. */
const unmet = ({ env, stack }: Manifest, given: Vars): readonly string[] => [
  ...Object.entries(env)
    .filter(([name, { kind }]) => kind === 'required' && given[name] === undefined)
    .map(([name]) => `config var ${name} is required`),
  ...(stack === undefined || stacks.some((name) => name === stack)
    ? []
    : [`stack ${stack.slice(0, 100)} is not available; use one of: ${stacks.join(', ')}`]),
]

const plannedOf = (manifest: Manifest, given: Vars, buildpacks: readonly string[]): Planned => {
  const valueOf = (wish: EnvWish): string | undefined =>
    wish.kind === 'value'
      ? wish.value
      : wish.kind === 'secret'
        ? randomBytes(secretBytes).toString('hex')
        : undefined
  const wished = Object.entries(manifest.env).flatMap(([name, wish]): [string, string][] => {
    const value = valueOf(wish)
    return value === undefined ? [] : [[name, value]]
  })
  return {
    env: { ...Object.fromEntries(wished), ...given },
    updates: Object.entries(manifest.formation).map(([type, { quantity, size }]) => ({
      type,
      ...(quantity === undefined ? {} : { quantity: String(quantity) }),
      ...(size === undefined ? {} : { size }),
    })),
    buildpacks: [...(buildpacks.length > 0 ? buildpacks : manifest.buildpacks)],
    stack: manifest.stack ?? null,
    postdeploy: manifest.postdeploy ?? null,
    successUrl: manifest.successUrl ?? null,
    addons: [...manifest.addons],
  }
}
