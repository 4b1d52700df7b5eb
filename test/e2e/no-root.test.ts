/**
 * A whole platform of a user without any right: it says that nothing is isolated, at its start and in
 * `heroku ps`, and which setting it cannot follow, and does the rest as ever.
 */
import { join } from 'node:path'
import t from 'tap'
import { commitApp, procfileApp, writeApp } from '../kit/apps.ts'
import { nobody, whyNoNobody } from '../kit/nobody.ts'
import { startPlatform } from '../kit/platform.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const server = `use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 8, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
  while (my $line = <$client>) { last if $line =~ /^\\r?$/ }
  my $body = "port $ENV{PORT} user $<";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($body) . "\\r\\nConnection: close\\r\\n\\r\\n$body";
  close $client;
}
`

t.test('a platform without root deploys, serves and restarts an app', { skip: whyNoNobody() }, async (t) => {
  const platform = await startPlatform({ MANIFOLD_BUILD_MIRROR: '/srv/mirror' }, nobody)
  t.teardown(() => platform.dispose())
  t.match(platform.output(), /driver=process: apps run WITHOUT ISOLATION/)
  t.match(platform.output(), /MANIFOLD_BUILD_MIRROR is not used here: only builds in containers/)
  const { stdout: found } = await platform.sourced(`${process.cwd()}/bin/manifold doctor`)
  t.match(found, /isolation .*MANIFOLD_BUILD_MIRROR is not used here/)
  const folder = join(platform.user, 'plain')
  writeApp(folder, { ...procfileApp('exec perl web.pl'), 'web.pl': server })
  await commitApp(platform, folder, 'first')
  const ok = async (tool: 'heroku' | 'git', ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await platform[tool](args, { cwd: folder, timeoutMs: 120_000 })
    if (code !== 0) throw new Error(`${tool} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`)
    return stdout + stderr
  }
  await ok('heroku', 'create', 'plain')
  await ok('git', 'push', 'heroku', 'main')
  const answer = async (): Promise<string> => {
    const { status, body } = await platform.get('plain.localhost')
    if (status !== 200) throw new Error(`${status} ${body}`)
    return body
  }
  const first = await until(answer, { what: 'the first answer', timeoutMs: 60_000 })
  t.match(first, new RegExp(`^port \\d+ user ${nobody.uid}$`))
  t.match(await ok('heroku', 'ps'), /exec perl web\.pl \(not isolated\) \(1\)\s+web\.1: up/)
  await ok('heroku', 'restart')
  const second = await until(async () => (await answer()) !== first && (await answer()), {
    what: 'its next life',
    timeoutMs: 60_000,
  })
  t.not(second, first, 'it listens elsewhere')
  t.equal(await platform.stop(), 0)
})
