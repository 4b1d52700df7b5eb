/**
 * Terminals: runs a command on a pseudo-terminal of a given size, by the `script` tool that Linux and macOS
 * have.
 */

/**
 * The command that runs `argv` with a terminal for its streams. Raw from the first moment when `argv` handles
 * the terminal itself and nothing may be echoed before it does.
 */
export const inTerminal = (
  argv: readonly string[],
  { columns, rows }: { columns: number; rows: number },
  raw: boolean,
): string[] => {
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  const line = `stty ${raw ? 'raw -echo ' : ''}cols ${columns} rows ${rows} && exec ${quoted}`
  return process.platform === 'darwin'
    ? ['script', '-q', '/dev/null', '/bin/sh', '-c', line]
    : ['script', '--quiet', '--return', '--flush', '--command', line, '/dev/null']
}
