/** The command line: what a command is, and how it reads its arguments. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Client } from './client.ts'

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'usage'
}

/** @returns the exit code */
export type Command = (args: readonly string[], open: () => Client) => Promise<number>

type Options = NonNullable<ParseArgsConfig['options']>

export const parsed = <O extends Options>(args: readonly string[], options: O, names: readonly string[]) => {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
    if (positionals.length > names.length)
      throw new UsageError(`${JSON.stringify(positionals[names.length])} is one argument too many`)
    return { values, positionals }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(error instanceof Error ? error.message : 'the arguments cannot be read', {
      cause: error,
    })
  }
}

export const named = (positionals: readonly string[], what: string): string => {
  const [name] = positionals
  if (name === undefined) throw new UsageError(`${what} is missing`)
  return name
}
