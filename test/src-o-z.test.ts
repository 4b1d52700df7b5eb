/** The runtime, the adapters and the engines below the actors, o to z: two at once. */
import { runFolder } from './kit/suite.ts'

await runFolder('src', /^[^a-n]/)
