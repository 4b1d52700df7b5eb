/** The events of releases: each when it is made, and when its command has ended. */
import type { Ctx } from '../../src/runtime/index.ts'
import { guard, hold, untold } from '../events/outbox.ts'
import type { EventViews } from '../protocols/event-views.ts'
import type { Releases } from '../protocols/releases.ts'
import type { Release } from '../protocols/shapes.ts'
import { newestOf, type Ledger } from './ledger.ts'

type Self = Ctx<typeof Releases>

/** The newest release is told of. @param before as it was, when it is not new */
export const withEvent = (ledger: Ledger, before: Release | undefined, ctx: Self): Ledger => {
  const release = newestOf(ledger)
  const draft = {
    entity: 'release' as const,
    by: { id: release.userId, email: release.userEmail },
    appName: ledger.appName,
    view: viewOf(release),
    ...(before === undefined
      ? { action: 'create' as const }
      : { action: 'update' as const, before: viewOf(before) }),
  }
  guard(ctx)
  const events = hold(ledger.events, [draft], untold, ctx.now)
  return { ...ledger, ...(events && { events }) }
}

const viewOf = (release: Release): EventViews['release'] => ({
  // What a slug runs is not told.
  release: { ...release, slug: release.slug && { ...release.slug, processTypes: {} } },
  isCurrent: release.status === 'succeeded',
})
