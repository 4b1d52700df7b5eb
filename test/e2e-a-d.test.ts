/** Whole platforms, used as their users use them, a to d: two at once. */
import { runFolder } from './kit/suite.ts'

await runFolder('e2e', /^[a-d]/)
