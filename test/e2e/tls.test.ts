/** Certificates end to end: the stock CLI gives one to a domain, and routers show it to curl and openssl. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { startPlatform } from '../kit/platform.ts'
import { machineEnv, run } from '../kit/run.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

t.test('an app is served by TLS, with the platform its own certificate or one of its own', async (t) => {
  // No dyno is started: routers answer for an app without a release.
  const platform = await startPlatform({ MANIFOLD_DRIVER: 'process' })
  t.teardown(platform.dispose)
  const port = platform.routerPort + 363
  const ca = join(platform.home, 'keys/ca.pem')
  const curl = (host: string, ...more: string[]) =>
    run(['curl', '-sS', '--resolve', `${host}:${port}:127.0.0.1`, ...more, `https://${host}:${port}/`], {
      cwd: platform.user,
      env: machineEnv(),
    })
  await platform.heroku(['create', 'shop'])
  const asOne = ['--cacert', ca, '-o', '/dev/null', '-w', '%{http_code} %{http_version}']
  await until(async () => (await curl('shop.localhost', ...asOne)).stdout === '503 2', {
    what: 'the blank app by HTTP/2 with a certificate that curl trusts',
    timeoutMs: 60_000,
  })
  t.equal((await curl('shop.localhost', ...asOne, '--http1.1')).stdout, '503 1.1')

  const host = 'www.shop.example'
  const made = (name: string) => {
    const [crt, key] = [join(platform.user, `${name}.crt`), join(platform.user, `${name}.key`)]
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '9', '-subj', `/CN=${name}`]
    execFileSync(
      'openssl',
      [...request, '-addext', `subjectAltName=DNS:${host}`, '-out', crt, '-keyout', key],
      {
        stdio: 'pipe',
      },
    )
    return { crt, key }
  }
  const shown = async (): Promise<string> => {
    const args = [
      '-sSvk',
      '--resolve',
      `${host}:${port}:127.0.0.1`,
      '-o',
      '/dev/null',
      `https://${host}:${port}/`,
    ]
    return (
      /subject: CN=(\S+)/.exec(
        (await run(['curl', ...args], { cwd: platform.user, env: machineEnv() })).stderr,
      )?.[1] ?? ''
    )
  }
  const first = made('first')
  const added = await platform.heroku(['certs:add', first.crt, first.key, '-a', 'shop'])
  t.equal(added.code, 0, added.stderr)
  t.match(added.stdout, /Common Name\(s\):\s+www\.shop\.example[^]*SSL certificate is self signed/)
  const listed = await platform.heroku(['certs', '-a', 'shop'])
  const name = /([a-z]+-\d{5})/.exec(listed.stdout)?.[1] ?? ''
  t.not(name, '', listed.stdout)
  await platform.heroku(['domains:add', host, '-a', 'shop', '--cert', name])
  await until(async () => (await shown()) === 'first', {
    what: 'the certificate of the domain',
    timeoutMs: 60_000,
  })

  const second = made('second')
  const began = performance.now()
  await platform.heroku(['certs:update', second.crt, second.key, '-a', 'shop', '--confirm', 'shop'])
  await until(async () => (await shown()) === 'second', { what: 'the new certificate', timeoutMs: 60_000 })
  t.comment(`shown ${Math.round(performance.now() - began)} ms after the command began`)
  t.match(
    (await platform.heroku(['certs:info', '-a', 'shop', '--show-domains'])).stdout,
    /www\.shop\.example/,
  )
  t.equal((await platform.heroku(['certs:remove', '-a', 'shop', '--confirm', 'shop'])).code, 0)
  await until(async () => (await shown()) === '*.localhost', {
    what: "the platform's again",
    timeoutMs: 60_000,
  })
})
