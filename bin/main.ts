/**
 * The operator's command: what it was asked, done through the API of the host that runs here. Exit codes: 0
 * done, 1 not done (or the doctor found something broken), 2 asked wrongly.
 */
import { loadHome, SettingsError } from '../config/load.ts'
import { UsageError } from './arguments.ts'
import { openClient, Refused } from './client.ts'
import { commands, version } from './commands.ts'
import { helpText } from './help.ts'

const [name = 'help', ...args] = process.argv.slice(2)

const run = async (): Promise<number> => {
  if (name === 'version' || name === '--version') {
    console.log(`manifold ${version()}`)
    return 0
  }
  if (name === 'help' || name === '--help' || name === '-h') {
    console.log(helpText)
    return 0
  }
  const command = commands[name]
  if (command === undefined) throw new UsageError(`no command ${JSON.stringify(name)}`)
  return command(args, () => openClient(loadHome()))
}

try {
  process.exitCode = await run()
} catch (error) {
  if (error instanceof UsageError || error instanceof SettingsError) {
    console.error(`manifold: ${error.message}; see manifold help`)
    process.exitCode = 2
  } else if (error instanceof Refused) {
    console.error(`manifold: ${error.message}`)
    process.exitCode = 1
  } else throw error
}
