/** The runtime, the adapters and the engines below the actors. */
import { runFolder } from './kit/suite.ts'

await runFolder('src')
