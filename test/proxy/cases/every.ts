/** All of the corpus. */
import type { Exchange } from '../../kit/exchange.ts'
import type { Script } from '../../kit/script.ts'
import { duties } from './duties.ts'
import { framing } from './framing.ts'
import { heads } from './heads.ts'
import { kept } from './kept.ts'
import { responses } from './responses.ts'
import { apps } from './scripts-apps.ts'
import { continued } from './scripts-continue.ts'
import { streams } from './scripts-streams.ts'
import { upgrades } from './scripts-upgrades.ts'

export const everyExchange: readonly Exchange[] = [...framing, ...heads, ...responses, ...duties, ...kept]
export const everyScript: readonly Script[] = [...continued, ...streams, ...upgrades, ...apps]
