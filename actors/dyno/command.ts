/**
 * Commands: as the log shows them, and as they are run. Pure.
 */

/**
 * A command as the log shows it (spec/dyno.md §1.2): `$PORT` is expanded, `${PORT:-5000}` is left as it is.
 *
 * Other variables stay unexpanded on purpose: they may be secrets, and only the engine that starts the run
 * unseals them.
 */
export const expandCommand = (command: string, port: number): string =>
  command.replaceAll(/\$PORT\b/g, () => String(port))

/** `worker --once` runs the Procfile's command of that type with the rest appended. */
export const expandType = (command: string, types: Readonly<Record<string, string>>): string => {
  const [, first = '', rest = ''] = /^\s*(\S+)(.*)$/s.exec(command) ?? []
  return Object.hasOwn(types, first) ? `${types[first]}${rest}` : command
}
