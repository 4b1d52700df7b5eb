/** Options of the programs of test/proxy: what is wrong with them is named, with the usage, and ends them. */
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

/** @returns the options as they were given */
export const readOptions = <const O extends ParseArgsOptionsConfig>(usage: string, options: O) => {
  const refuse = (why: string): never => {
    console.error(`${why}\n${usage}`)
    return process.exit(2)
  }
  const read = () => {
    try {
      return parseArgs({ options }).values
    } catch (error) {
      return refuse(error instanceof Error ? error.message : 'bad arguments')
    }
  }
  return {
    values: read(),
    /** A number above 0 and at most that. */
    number: (name: string, text: string, most: number): number => {
      const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN
      if (value > 0 && value <= most) return value
      return refuse(`--${name} ${text} is not allowed: want a number above 0, at most ${most}`)
    },
  }
}
