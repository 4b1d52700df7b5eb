/**
 * Runs one script in a container and prints what came of it, for tests that need a machine that is not quite
 * this one: `<state dir> <slug> <script>`, started in namespaces of its own.
 */
import { openOciDriver } from '../../src/oci/oci.ts'
import { defaults, readAll } from './containers.ts'

const [stateDir = '', slug = '', script = ''] = process.argv.slice(2)
const driver = await openOciDriver({ stateDir, now: () => Date.now() })
try {
  const gaps = await driver.gaps()
  await driver.start(defaults('one', script, slug))
  await driver.wait('one')
  const lines = (await readAll(driver, 'one')).map(({ bytes }) => bytes.toString())
  console.log(JSON.stringify({ gaps, lines }))
} finally {
  await driver.remove('one')
  driver.close()
  await driver.teardown()
}
