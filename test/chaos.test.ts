import { runFolder } from './kit/suite.ts'

await runFolder('chaos')
