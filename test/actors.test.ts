/** What the actors do, of one and of many hosts. */
import { runFolder } from './kit/suite.ts'

await runFolder('actors')
