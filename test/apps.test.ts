/**
 * Small apps of different kinds (test/apps), each compiled by the real compiler with the built-in buildpacks
 * and then run as a dyno would run it: what it answers shows that its build did what it should.
 */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CompileOptions } from '../src/slug/compile.ts'
import { openCompiler, startDyno } from './kit/compiler.ts'
import { until } from './kit/until.ts'

// Packages come from the registry.
t.setTimeout(300_000)

const compiler = await openCompiler(t)

type App = {
  readonly folder: string
  readonly options?: Partial<CompileOptions>
  /** What its build says. */
  readonly says: readonly RegExp[]
  readonly types: Readonly<Record<string, string>>
  /** What its web process answers. */
  readonly answers: Readonly<Record<string, RegExp>>
}

const node = {
  detected: /-----> Node\.js app detected/,
  pruned: /-----> Pruning devDependencies\n(?! {7}Skip)/,
}

const apps: readonly App[] = [
  {
    folder: 'node-npm',
    says: [node.detected, /Installing node modules \(package-lock\.json\)/, node.pruned],
    types: { web: 'npm start' },
    answers: { '/': /^npm says 2d\n$/ },
  },
  {
    folder: 'node-yarn',
    says: [node.detected, /Using yarn 1\.22\./, /Installing node modules \(yarn\.lock\)/, node.pruned],
    types: { web: 'yarn start' },
    answers: { '/': /^yarn says 2d\n$/ },
  },
  {
    folder: 'node-berry',
    says: [node.detected, /Using yarn 4\.18\.1/, node.pruned],
    types: { web: 'yarn start' },
    answers: { '/': /^berry says 2d\n$/ },
  },
  {
    folder: 'node-pnpm',
    says: [node.detected, /Using pnpm 10\.34\.8/, /Installing node modules \(pnpm-lock\.yaml\)/, node.pruned],
    types: { web: 'pnpm start' },
    answers: { '/': /^pnpm says 2d\n$/ },
  },
  {
    folder: 'node-workspaces',
    says: [node.detected, /Running build/],
    types: { web: 'npm start --workspace=web' },
    answers: { '/': /^a word of a workspace, built\n$/ },
  },
  {
    folder: 'typescript',
    says: [node.detected, /Running heroku-prebuild[^]*Running build[^]*Running heroku-cleanup/, node.pruned],
    types: { web: 'npm start' },
    answers: { '/': /^compiled\n$/ },
  },
]

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

/** Runs the web process and asks it. */
const ask = async (t: Test, tree: string, command: string, answers: App['answers']): Promise<void> => {
  const port = await freePort()
  const dyno = startDyno(tree, command, { PORT: String(port), DYNO: 'web.1' })
  dyno.stdout?.resume()
  t.teardown(() => process.kill(-(dyno.pid ?? 0), 'SIGKILL'))
  for (const [path, answer] of Object.entries(answers)) {
    const url = `http://127.0.0.1:${port}${path}`
    const what = `${command} to answer ${path}`
    const response = await until(() => fetch(url, { redirect: 'manual' }).catch(() => undefined), {
      timeoutMs: 30_000,
      what,
    })
    const head = `${response.status} ${response.headers.get('location') ?? ''}\n`
    t.match(`${head}${await response.text()}`.replace(/^200 \n/, ''), answer, what)
  }
}

for (const { folder, options, says, types, answers } of apps)
  t.test(`${folder} is built and runs`, async (t) => {
    const source = join(import.meta.dirname, 'apps', folder)
    const made = await compiler.build(folder, source, options)
    t.equal(made.failure, undefined, made.output)
    for (const line of says) t.match(made.output, line)
    t.same(made.result?.processTypes, types)
    await ask(t, made.result?.appDir ?? '', types['web'] ?? '', answers)
  })
