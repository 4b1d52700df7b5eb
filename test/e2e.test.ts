/** Whole platforms, used as their users use them. */
import { runFolder } from './kit/suite.ts'

await runFolder('e2e')
