/** The router against cases, other routers and abuse. */
import { runFolder } from './kit/suite.ts'

await runFolder('proxy')
