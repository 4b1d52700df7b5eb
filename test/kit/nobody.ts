/** A user without any right, to run what must work without root. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const uid = 65_534
const setpriv = '/usr/bin/setpriv'

/** `argv` goes before the command. */
export const nobody = {
  uid,
  gid: uid,
  argv: [setpriv, `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'],
} as const

/** Why nothing can be run as nobody here; false where it can. */
export const whyNoNobody = (): string | false => {
  if (process.getuid?.() !== 0) return 'only root becomes another user'
  if (!existsSync(setpriv)) return `no ${setpriv}`
  try {
    const [file, ...args] = [...nobody.argv, process.execPath, '--version'] as const
    execFileSync(file, args, { cwd: '/', stdio: 'ignore' })
    execFileSync(setpriv, [...nobody.argv.slice(1), 'test', '-r', `${process.cwd()}/package.json`])
    return false
  } catch {
    return 'this checkout is not for everybody to read'
  }
}
