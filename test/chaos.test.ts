/** The chaos harness: its judges, and its scenarios in the simulation and on real hosts. */
import { runFolder } from './kit/suite.ts'

await runFolder('chaos')
