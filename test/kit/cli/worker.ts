/**
 * A program: the stock CLI, run for many command lines in one process, for loading it costs most of a
 * second of processor each time. Everything of a run is the CLI's own; taken from it are only its output and
 * its end.
 *
 * On descriptor 4 comes a line of JSON for each run, `{ args, cwd }`; its outcome is one on descriptor 3.
 */
import dns from 'node:dns'
import { createReadStream, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

type Job = { readonly args: readonly string[]; readonly cwd: string }
type Core = {
  readonly Config: { readonly load: (root: string) => Promise<unknown> }
  readonly run: (args: readonly string[], config: unknown) => Promise<unknown>
  readonly Errors: { readonly handle: (error: unknown) => Promise<void> }
}

const resultsFd = 3
const jobsFd = 4
/** No name but this machine's: what goes round the proxy does not get out either. */
const lookup = dns.lookup.bind(dns)
const barred = (name: string, ...rest: readonly unknown[]): void => {
  if (/^(?:localhost|127\.0\.0\.1)$/.test(name)) {
    ;(lookup as (...args: unknown[]) => void)(name, ...rest)
    return
  }
  // Not ENOTFOUND, after which the CLI would try for six seconds.
  const error = Object.assign(new Error(`connect ENETUNREACH ${name}`), { code: 'ENETUNREACH' })
  process.nextTick(rest.at(-1) as (error: Error) => void, error)
}
dns.lookup = barred as typeof dns.lookup

let output = ''
let stdout = ''
let stderr = ''
let exited: ((code: number) => void) | undefined
const take =
  (keep: (text: string) => void) =>
  (chunk: unknown, ...rest: readonly unknown[]): boolean => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk as Uint8Array).toString()
    output += text
    keep(text)
    const done = rest.find((one) => typeof one === 'function') as (() => void) | undefined
    done?.()
    return true
  }
process.stdout.write = take((text) => (stdout += text))
process.stderr.write = take((text) => (stderr += text))
const end = process.exit.bind(process)
process.exit = ((code?: number) => exited?.(Number(code ?? process.exitCode ?? 0))) as typeof process.exit

// Not before: it keeps the functions that write as it finds them.
const root = dirname(createRequire(import.meta.url).resolve('heroku/package.json'))
const core = (await import(createRequire(join(root, 'bin/run.js')).resolve('@oclif/core'))) as Core
const config = await core.Config.load(root)

const perform = ({ args, cwd }: Job): Promise<number> =>
  new Promise((resolve) => {
    exited = resolve
    process.chdir(cwd)
    process.argv.splice(2, Infinity, ...args)
    core
      .run([...args], config)
      .catch((error: unknown) => core.Errors.handle(error))
      .then(
        () => resolve(Number(process.exitCode ?? 0)),
        () => resolve(1),
      )
  })

for await (const line of createInterface({ input: createReadStream('', { fd: jobsFd }) })) {
  output = ''
  stdout = ''
  stderr = ''
  process.exitCode = 0
  const code = await perform(JSON.parse(line) as Job)
  exited = undefined
  writeSync(resultsFd, `${JSON.stringify({ code, output, stdout, stderr })}\n`)
}
end(0)
