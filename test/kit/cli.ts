/** The stock `heroku` CLI and `bin/manifold` against an API of the test's own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { writeEnvFile } from '../../actors/api/env-file.ts'
import type { Registry } from '../../src/slug/registry.ts'
import { apiToken, openApi, type OpenedApi } from './api.ts'
import { machineEnv, run, type Ran } from './run.ts'

const command = join(import.meta.dirname, '../../bin/manifold')
const herokuBin = join(process.cwd(), 'node_modules/heroku/bin/run.js')

export type Cli = OpenedApi & {
  readonly manifold: (...args: readonly string[]) => Promise<Ran>
  /** @param text the command line after `heroku` */
  readonly heroku: (text: string) => Promise<Ran>
}

export const openCli = async (t: Test, buildpacks?: Registry): Promise<Cli> => {
  const opened = await openApi(t, buildpacks === undefined ? {} : { buildpacks })
  const home = mkdtempSync(join(tmpdir(), 'manifold-cli-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  const apiUrl = `http://localhost:${opened.api.port}`
  const secureHost = new URL(apiUrl).host
  const paths = { authorityPath: join(home, 'ca.pem'), bundlePath: join(home, 'bundle.pem'), home }
  await writeEnvFile(join(home, 'env'), { apiUrl, secureHost, token: apiToken, ...paths })
  mkdirSync(join(home, '.cache/heroku'), { recursive: true })
  writeFileSync(join(home, '.cache/heroku/terms-of-service'), '')
  const env = { ...machineEnv(), MANIFOLD_HOME: home, HOME: home }
  return {
    ...opened,
    manifold: (...args) => run([command, ...args], { env, cwd: home }),
    heroku: (text) =>
      run(['sh', '-c', `. ${home}/env && exec node ${herokuBin} ${text}`], { env, cwd: home }),
  }
}
