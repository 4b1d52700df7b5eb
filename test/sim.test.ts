/** The simulation of the whole, by seeds. */
import { runFolder } from './kit/suite.ts'

await runFolder('sim')
