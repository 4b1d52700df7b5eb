/**
 * The static checks as tests: lint with types, format, types, dead code.
 *
 * They run here so that `npm test` is everything that must pass and the runner's totals tell all.
 * Each tool starts with a bare environment: tap injects itself into the Node programs that its tests start.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const timeoutMs = 240_000
t.setTimeout(timeoutMs)

/** Runs one tool of node_modules to its end, with the pinned Node. @returns its exit code and all it said */
const tool = (name: string, ...args: readonly string[]): Promise<{ code: number; output: string }> =>
  new Promise((resolve) => {
    const node = join(root, 'node_modules', 'node', 'bin')
    const environment = [
      `PATH=${node}:${bin}:/usr/bin:/bin`,
      `HOME=${process.env['HOME'] ?? '/'}`,
      'NO_COLOR=1',
    ]
    execFile(
      '/usr/bin/env',
      ['-i', ...environment, join(bin, name), ...args],
      { cwd: root, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, output: stdout + stderr })
      },
    )
  })

const checks = [
  { title: 'the compiler accepts every file', argv: ['tsc', '-p', '.'] },
  { title: 'the linter finds nothing in any file', argv: ['oxlint', '--type-aware'] },
  { title: 'the formatter would change no file', argv: ['oxfmt', '--check', '.'] },
  { title: 'the dead-code finder finds nothing unused', argv: ['knip'] },
] as const

for (const { title, argv } of checks) {
  t.test(title, async (t) => {
    const [name, ...args] = argv
    const { code, output } = await tool(name, ...args)
    t.equal(code, 0, title, { diagnostic: code !== 0, output: output.split('\n').slice(0, 120) })
  })
}
