/** Domains: the names at which an app answers. */
import { domainToASCII } from 'node:url'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import { created, endpoint, ok, type Request } from '../endpoint.ts'
import { ApiError, invalid, notFound } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { domainBody, endpointIn, ownDomainBody } from '../shapes/domain.ts'
import { thisApp } from './app-of.ts'

/** A host name of two labels or more, the first of which may be `*`. */
const hostname =
  /^(?=.{3,253}$)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export const domains = [
  endpoint({
    name: 'domains.list',
    http: { method: 'GET', path: '/apps/:app/domains' },
    summary: 'Domains of an app, its own included',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const own = {
        hostname: `${app.name}.${edge.settings.appDomain}`,
        body: ownDomainBody(app, edge.settings),
      }
      const all = [
        own,
        ...app.domains.map((domain) => ({
          hostname: domain.hostname,
          body: domainBody(domain, app, edge.settings),
        })),
      ]
      const page = cut(all, request.range, {
        hostname: (domain) => domain.hostname,
        id: (domain) => (domain.body as { id: string }).id,
      })
      return listOf(page, (domain) => domain.body)
    },
  }),
  endpoint({
    name: 'domains.info',
    http: { method: 'GET', path: '/apps/:app/domains/:domain' },
    summary: 'One domain, by hostname or id',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const own = ownDomainBody(app, edge.settings) as { id: string; hostname: string }
      if (own.id === request.params.domain || own.hostname === request.params.domain) return ok(own)
      return ok(domainBody(pick(app, request.params.domain), app, edge.settings))
    },
  }),
  endpoint({
    name: 'domains.create',
    http: { method: 'POST', path: '/apps/:app/domains' },
    summary: 'Add a custom domain',
    body: is.obj({ hostname: is.str, sni_endpoint: is.opt(is.orNull(is.str)) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const name = asciiName(request.body.hostname)
      if (!hostname.test(name))
        throw invalid(`Hostname ${request.body.hostname.slice(0, 253)} is not a valid domain.`)
      const { appDomain } = edge.settings
      if (name === appDomain || name.endsWith(`.${appDomain}`)) {
        throw invalid(`Hostname ${name} is below ${appDomain}, whose names belong to apps.`)
      }
      const wanted = request.body.sni_endpoint ?? null
      if (wanted !== null && endpointIn(app, wanted) === undefined) throw notFound('sni_endpoint')
      const domain = await request
        .ask(ref(App, app.id), { type: 'addDomain', hostname: name })
        .catch((error: unknown) => {
          const taken = error instanceof ApiError && error.refusal === 'hostname_taken'
          throw taken ? invalid(`Domain ${name} is already in use.`) : error
        })
      const whole = wanted === null ? domain : await attach(request, app.id, name, wanted)
      return created(domainBody(whole, app, edge.settings))
    },
  }),
  endpoint({
    name: 'domains.delete',
    http: { method: 'DELETE', path: '/apps/:app/domains/:domain' },
    summary: 'Remove a custom domain',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const gone = pick(app, request.params.domain)
      await request.ask(
        ref(App, app.id),
        { type: 'removeDomain', hostname: gone.hostname },
        { resource: 'domain' },
      )
      return ok(domainBody(gone, app, edge.settings))
    },
  }),
  endpoint({
    name: 'domains.update',
    http: { method: 'PATCH', path: '/apps/:app/domains/:domain' },
    summary: 'Give a domain the certificate of an SNI endpoint, or none',
    body: is.obj({ sni_endpoint: is.orNull(is.str) }),
    async run(request, edge) {
      const app = await thisApp(request, edge)
      const { hostname } = pick(app, request.params.domain)
      const domain = await attach(request, app.id, hostname, request.body.sni_endpoint)
      return ok(domainBody(domain, app, edge.settings))
    },
  }),
]

/** International names are kept, and looked up by routers, in their ASCII form. */
const asciiName = (text: string): string => {
  const name = text.trim().toLowerCase()
  const isPlain = /^[\x00-\x7f]*$/.test(name) || name.includes('%')
  return (isPlain ? name : domainToASCII(name)).replace(/\.$/, '')
}

const attach = (request: Request, appId: string, hostname: string, which: string | null) =>
  request.ask(ref(App, appId), { type: 'attachDomain', hostname, endpoint: which }, { resource: 'domain' })

const pick = (app: AppView, which: string): AppView['domains'][number] => {
  const name = asciiName(which)
  const found = app.domains.find((domain) => domain.hostname === name || domain.id === which)
  if (found === undefined) throw notFound('domain')
  return found
}
