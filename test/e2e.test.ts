import { runFolder } from './kit/suite.ts'

await runFolder('e2e')
