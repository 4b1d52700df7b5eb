/** What apps answer about who may use them, by the rules of their actor. */
import { randomUUID } from 'node:crypto'
import * as access from '../../actors/app/access.ts'
import type { AppRecord } from '../../actors/app/record.ts'
import type { Grant } from '../../actors/protocols/app.ts'
import type { Who } from '../../actors/protocols/shapes.ts'
import { systemClock } from '../../src/system/clock.ts'

type Message = { readonly type: string } & Readonly<Record<string, unknown>>
type Settle = <T>(key: string, decide: (a: AppRecord) => access.Outcome<T>) => Promise<T>

export const accessQuestions = (
  settle: Settle,
): Readonly<Record<string, (key: string, m: Message) => unknown>> => {
  const made = () => ({ id: randomUUID(), uuid: () => randomUUID(), now: systemClock.now() })
  return {
    'app.addCollaborator': (key, m) => settle(key, (a) => access.add(a, m['user'] as Who, made())),
    'app.removeCollaborator': (key, m) =>
      settle(key, (a) => access.remove(a, m['user'] as string, made().now)),
    'app.grant': (key, m) =>
      settle(key, (a) => access.grant(a, m['teamId'] as string, m['grant'] as Grant, made())),
    'app.move': (key, m) =>
      settle(key, (a) => access.move(a, m as unknown as Parameters<typeof access.move>[1], made())),
    'app.lock': (key, m) => settle(key, (a) => access.lock(a, m['isLocked'] as boolean, made().now)),
    'app.offer': (key, m) => settle(key, (a) => access.offer(a, m['to'] as Who, made())),
    'app.answerOffer': (key, m) =>
      settle(key, (a) =>
        access.answerOffer(a, m['offer'] as string, m['state'] as 'accepted' | 'declined', made()),
      ),
  }
}
