/** What the platform says in apps' logs. */
import { effect } from '../../src/runtime/index.ts'
import type { Line } from '../protocols/channel.ts'

export const Said = {
  /** On its way when it resolves: this process keeps it until it is stored. */
  say: effect<{ appId: string; line: Line }, void>('said.say'),
}
