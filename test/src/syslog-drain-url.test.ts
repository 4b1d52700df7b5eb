/** Addresses of drains: what is allowed, what becomes of it, and what is said of anything else. */
import t from 'tap'
import { DrainUrlInvalid, parseDrainUrl } from '../../src/syslog/drain-url.ts'

t.test('each scheme has its port, and what belongs to HTTP is kept', async (t) => {
  const plain = { tls: null, target: '/', authorization: undefined }
  const secure = { ...plain, tls: { verified: true } }
  t.same(parseDrainUrl('syslog://logs.example.com'), {
    ...plain,
    scheme: 'syslog',
    host: 'logs.example.com',
    port: 601,
    shown: 'syslog://logs.example.com/',
  })
  t.same(parseDrainUrl('SYSLOG+TLS://Logs.Example.com:6515/#insecure'), {
    ...secure,
    scheme: 'syslog+tls',
    host: 'logs.example.com',
    port: 6515,
    tls: { verified: false },
    shown: 'syslog+tls://logs.example.com:6515/',
  })
  t.same(parseDrainUrl('https://u%40x:p%3A@[::1]/v1/in%20put?key=a&b=#other'), {
    scheme: 'https',
    host: '::1',
    port: 443,
    tls: { verified: true },
    target: '/v1/in%20put?key=a&b=',
    authorization: `Basic ${Buffer.from('u@x:p:').toString('base64')}`,
    shown: 'https://[::1]/v1/in%20put',
  })
  t.match(parseDrainUrl('syslog+tls://h'), { port: 6514, tls: { verified: true } })
  t.match(parseDrainUrl('http://token@h:8080/'), { port: 8080, tls: null, shown: 'http://h:8080/' })
  t.equal(parseDrainUrl('http://bücher.example/').host, 'xn--bcher-kva.example')
  for (const scheme of ['syslog', 'syslog+tls', 'http', 'https']) {
    for (const port of [80, 443, 601]) t.equal(parseDrainUrl(`${scheme}://h:${port}`).port, port)
  }
})

t.test('anything else is refused with what is wrong and what is allowed', async (t) => {
  for (const [url, why] of [
    ['', /no scheme/],
    ['logs.example.com:601', /no scheme/],
    ['udpsyslog://h:514', /its scheme is udpsyslog/],
    ['ftp://h/', /its scheme is ftp/],
    ['toString://h/', /its scheme is tostring/],
    ['https://', /host or port/],
    ['syslog://:601', /host or port/],
    ['syslog://h:65536', /host or port/],
    ['syslog://h:0', /port is 0/],
    ['https://a b/', /blank/],
    ['https://h/\r\nX: y', /blank or a control/],
    ['syslog://user@h', /have a user/],
    ['syslog+tls://h/path', /have a path/],
    ['syslog://h?x', /have a path/],
    ['https://%zz@h/', /user info/],
    [`https://h/${'x'.repeat(2048)}`, /longer than 2048/],
  ] as const) {
    try {
      parseDrainUrl(url)
      t.fail(`took ${url}`)
    } catch (error) {
      t.type(error, DrainUrlInvalid)
      t.match(error, { code: 'drain_url_invalid', message: why }, url)
      t.match(error, { message: /allowed: syslog:\/\// })
    }
  }
})
