/**
 * A command as the log shows it (spec/dyno.md §1.2): `$PORT` is expanded, `${PORT:-5000}` is left as it is.
 *
 * Other variables stay unexpanded on purpose: they may be secrets, and only the engine that starts the run
 * unseals them.
 */
export const expandCommand = (command: string, port: number): string =>
  command.replaceAll(/\$PORT\b/g, () => String(port))
