/** Certificates through the API: given, attached, changed, removed, and never shown with their keys. */
import t from 'tap'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { deployed, openApi } from '../kit/api.ts'

const authority = { ...makeAuthority('test', Date.now(), 100), commonName: 'test' }

t.test(
  'certificates are added, given to domains, changed and removed; their keys never come out',
  async (t) => {
    const opened = await openApi(t)
    const { http, store } = opened
    const app = await deployed(opened, 'cert-app')
    const made = (name: string) => {
      const { certificate, key } = issue(authority, [name], Date.now(), 90)
      return { certificate_chain: certificate, private_key: key }
    }
    const first = made('www.example.com')
    const added = await http('POST', '/apps/cert-app/sni-endpoints', first)
    t.match(added, { status: 201, body: { certificate_chain: first.certificate_chain, domains: [] } })
    t.match(added.body['ssl_cert'], { cert_domains: ['www.example.com'], 'self_signed?': false })
    const name = added.body['name'] as string
    const domain = { hostname: 'www.example.com', sni_endpoint: name }
    const attached = await http('POST', '/apps/cert-app/domains', domain)
    t.match(attached, { status: 201, body: { sni_endpoint: { name }, acm_status: null } })
    const wrong = { hostname: 'x.example.com', sni_endpoint: 'no-such' }
    t.match(await http('POST', '/apps/cert-app/domains', wrong), { status: 404, body: { id: 'not_found' } })
    t.equal((await http('GET', '/apps/cert-app/domains/x.example.com')).status, 404, 'and nothing was added')
    const of = async () => (await http('GET', `/apps/cert-app/sni-endpoints/${name}`)).body
    t.same((await of())['domains'], [attached.body['id']])
    const second = made('other.example.com')
    t.match(await http('PATCH', `/apps/cert-app/sni-endpoints/${name}`, second), {
      status: 200,
      body: { name, ssl_cert: { cert_domains: ['other.example.com'] } },
    })
    const answers = JSON.stringify([
      await of(),
      (await http('GET', '/apps/cert-app/sni-endpoints')).body,
      added.body,
    ])
    t.notMatch(answers, /PRIVATE KEY|private_key/)
    const sealed = await store.list(`certificates/${app['id']}/`)
    t.ok(sealed.length > 0)
    t.notMatch(Buffer.concat(sealed.map(({ value }) => value)).toString('latin1'), /PRIVATE|CERTIFICATE/)
    const misfit = { ...first, private_key: second.private_key }
    t.match(await http('POST', '/apps/cert-app/sni-endpoints', misfit), {
      status: 422,
      body: { id: 'invalid_params', message: /Key does not match/ },
    })
    t.equal((await http('DELETE', `/apps/cert-app/sni-endpoints/${name}`)).status, 200)
    t.match(await http('GET', '/apps/cert-app/domains/www.example.com'), { body: { sni_endpoint: null } })
    t.match(await http('DELETE', `/apps/cert-app/sni-endpoints/${name}`), { status: 404 })
  },
)
