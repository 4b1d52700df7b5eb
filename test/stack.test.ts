/** Apps of many kinds, built on the stack and run. */
import { runFolder } from './kit/suite.ts'

await runFolder('stack')
