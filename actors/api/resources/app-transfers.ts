/**
 * App transfers: an app is offered to one of its collaborators, who becomes its owner or declines. An app has
 * one offer at most, and an offer that was answered is no more.
 */
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import { needPermission } from '../access.ts'
import type { Edge } from '../edge.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { named, timeText } from '../shapes/common.ts'
import { appOf } from './app-of.ts'
import { userNamed } from './collaborators.ts'

const resource = 'app_transfer'
const whichShape = is.union(is.str, is.obj({ id: is.opt(is.str), name: is.opt(is.str) }))
const whoShape = is.union(is.str, is.obj({ id: is.opt(is.str), email: is.opt(is.str) }))

type State = 'pending' | 'accepted' | 'declined'
type Offer = NonNullable<AppView['offer']>

export const appTransfers = [
  endpoint({
    name: 'app-transfers.create',
    http: { method: 'POST', path: '/account/app-transfers' },
    summary: 'Offer an app to one of its collaborators',
    needs: 'manage',
    body: is.obj({ app: whichShape, recipient: whoShape, silent: is.opt(is.orNull(is.bool)) }),
    async run(request, edge) {
      const { app: which, recipient } = request.body
      const before = await appOf(request, edge, namedBy(which))
      const { id, email } = await userNamed(recipient, edge)
      const to = { id, email }
      const app = await request.ask(ref(App, before.id), { type: 'offer', to, by: request.who })
      return created(transferBody(app, offerOf(app), 'pending'))
    },
  }),
  endpoint({
    name: 'app-transfers.list',
    http: { method: 'GET', path: '/account/app-transfers' },
    summary: 'Pending transfers of apps that the account owns or is offered',
    async run(request, edge) {
      const pending = await offeredApps(request, edge)
      const page = cut(pending, request.range, { name: ({ name }) => name, id: (app) => offerOf(app).id })
      return listOf(page, (app) => transferBody(app, offerOf(app), 'pending'))
    },
  }),
  endpoint({
    name: 'app-transfers.info',
    http: { method: 'GET', path: '/account/app-transfers/:transfer' },
    summary: 'One pending transfer, by its id or the name of its app',
    async run(request, edge) {
      const app = await thisOne(request, edge)
      return ok(transferBody(app, offerOf(app), 'pending'))
    },
  }),
  endpoint({
    name: 'app-transfers.update',
    http: { method: 'PATCH', path: '/account/app-transfers/:transfer' },
    summary: 'Accept an app that is offered, or decline it',
    needs: 'view',
    body: is.obj({ state: is.str }),
    async run(request, edge) {
      const { state } = request.body
      if (state !== 'accepted' && state !== 'declined')
        throw invalid(`Invalid state: ${JSON.stringify(state.slice(0, 100))} (allowed: accepted, declined)`)
      const app = await thisOne(request, edge)
      const offer = offerOf(app)
      if (offer.to.id !== request.who.id)
        throw new ApiError('forbidden', `Only ${offer.to.email} may accept or decline this transfer.`)
      return ok(transferBody(await answered(request, app, state), offer, state))
    },
  }),
  endpoint({
    name: 'app-transfers.delete',
    http: { method: 'DELETE', path: '/account/app-transfers/:transfer' },
    summary: 'Take an offer back',
    needs: 'view',
    async run(request, edge) {
      const app = await thisOne(request, edge)
      needPermission(app, request.caller, 'manage')
      return ok(transferBody(await answered(request, app, 'declined'), offerOf(app), 'declined'))
    },
  }),
]

const namedBy = (which: string | { readonly id?: string; readonly name?: string }): string =>
  typeof which === 'string' ? which : (which.id ?? which.name ?? '')

const offersMax = 1_000

/** Those that are on the list of offers, as they are now. */
const offeredApps = async (request: Request, edge: Edge): Promise<readonly AppView[]> => {
  const offers = await edge.lists.offers(request.who.id, offersMax)
  const apps = await Promise.all(offers.map(({ appId }) => appOf(request, edge, appId).catch(ifGone)))
  return apps.filter((app): app is AppView => app !== undefined && isParty(app, request))
}

/** What the list says may be over by now. */
const isParty = ({ owner, offer }: AppView, { who }: Request): boolean =>
  offer != null && [owner.id, offer.to.id].includes(who.id)

const thisOne = async (request: Request<{ readonly transfer: string }>, edge: Edge): Promise<AppView> => {
  const { transfer } = request.params
  const found = (await offeredApps(request, edge)).find(({ id, name, offer }) =>
    [id, name, offer?.id].includes(transfer),
  )
  if (found === undefined) throw notFound(resource)
  return found
}

const answered = (request: Request, app: AppView, state: 'accepted' | 'declined'): Promise<AppView> => {
  const answer = { type: 'answerOffer', offer: offerOf(app).id, state, by: request.who } as const
  return request.ask(ref(App, app.id), answer, { resource })
}

const ifGone = (error: unknown): undefined => {
  if (error instanceof ApiError && (error.code === 'not_found' || error.code === 'forbidden'))
    return undefined
  throw error
}

const offerOf = ({ offer }: AppView): Offer => {
  if (offer == null) throw notFound(resource)
  return offer
}

/** @param app as it is now: whose owner it may have become */
const transferBody = (app: AppView, offer: Offer, state: State): object => {
  const before = state === 'accepted' ? app.collaborators?.at(-1)?.user : app.owner
  return {
    app: named(app),
    created_at: timeText(offer.createdAt),
    id: offer.id,
    owner: before ?? app.owner,
    recipient: offer.to,
    state,
    updated_at: timeText(app.updatedAt),
  }
}
