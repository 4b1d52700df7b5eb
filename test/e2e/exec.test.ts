/**
 * Into a running dyno with the stock heroku CLI: run:inside, ps:exec, ps:copy and ps:forward.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { commitApp, writeApp } from '../kit/apps.ts'
import { startPlatform } from '../kit/platform.ts'
import { freePort } from '../kit/ports.ts'
import { start } from '../kit/run.ts'
import { until } from '../kit/until.ts'

t.setTimeout(600_000)
/** The CLI dials port 80, so it is an address of this test's own. */
const byte = (): number => 1 + Math.floor(Math.random() * 254)
const ssh = `127.${byte()}.${byte()}.${byte()}`
const canListen = await new Promise<boolean>((resolve) => {
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen(80, ssh, () => void server.close(() => resolve(true)))
})
const skip = canListen ? false : `port 80 of ${ssh} is not to be had`

/** Two servers: on $PORT for everybody, on one of its loopback for nobody but itself. */
const servers = `use IO::Socket::INET; use strict;
fork or serve('127.0.0.1', 5050, 'admin'); serve('0.0.0.0', $ENV{PORT}, 'hello');
sub serve {
  my ($host, $port, $text) = @_;
  my $server = IO::Socket::INET->new(LocalAddr => $host, LocalPort => $port, Listen => 9, ReuseAddr => 1) or die;
  while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line eq "\\r\\n" }
    print $client "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: ", length $text, "\\r\\n\\r\\n$text";
  }
}
`
const app = 'inner'
const platform = await startPlatform({ MANIFOLD_SSH: ssh })
t.teardown(() => platform.dispose())
const folder = join(platform.user, app)
const { heroku } = platform
const inApp = { cwd: folder }

writeApp(folder, {
  Procfile: 'web: perl servers.pl\n',
  'servers.pl': servers,
})
await commitApp(platform, folder, 'first')
await heroku(['create', app], inApp)
await heroku(['config:set', 'GREETING=hej'], inApp)
await platform.git(['push', 'heroku', 'main'], { ...inApp, timeoutMs: 180_000 })
await until(async () => (await platform.get(`${app}.localhost`)).status === 200, {
  what: 'the first answer',
  timeoutMs: 60_000,
})

await t.test('heroku run:inside runs a command in the dyno, and gives its exit status', async (t) => {
  const ran = await heroku(['run:inside', '--exit-code', 'web.1', 'echo $DYNO $GREETING; exit 7'], inApp)
  t.equal(ran.code, 7, ran.stderr)
  t.match(ran.stdout, /web\.1 hej\n/)
})

await t.test('heroku ps:exec runs a command in the dyno, and lists where it can', { skip }, async (t) => {
  // Its input stays open, as a terminal's does.
  const open = 'mkfifo $HOME/input && exec 3<>$HOME/input && heroku'
  const ran = await platform.sourced(`${open} ps:exec -a ${app} 'echo "$DYNO [$GREETING]"; tty' <&3`)
  t.match(ran.stdout, /web\.1 \[\]\r?\n\/dev\//, ran.stderr)
  const { stdout } = await heroku(['ps:exec', '--status'], inApp)
  t.match(stdout, /web\.1 +up +running/)
})

await t.test('heroku ps:copy fetches a file of the dyno', { skip }, async (t) => {
  const copied = await heroku(['ps:copy', 'servers.pl', '--output', 'copy'], inApp)
  t.equal(copied.code, 0, copied.stderr)
  t.equal(readFileSync(join(folder, 'copy'), 'utf8'), servers)
})

await t.test(
  'heroku ps:forward leads to a port of the dyno that nothing else reaches',
  { skip },
  async (t) => {
    const port = await freePort()
    const { stdout } = await platform.sourced('env -0')
    const env = Object.fromEntries(
      stdout.split('\0').flatMap((line) => (/^(\w+)=([^]*)$/.exec(line) ? [line.split(/=([^]*)/, 2)] : [])),
    ) as Readonly<Record<string, string>>
    const child = start(['heroku', 'ps:forward', `${port}:5050`, '-a', app], env, folder)
    t.teardown(() => child.kill('SIGKILL'))
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    await until(() => said.includes('to stop port forwarding'), {
      what: `its word in ${said}`,
      timeoutMs: 60_000,
    })
    const get = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text()
    t.equal(await get(), 'admin')
    t.equal(await get(), 'admin', 'each over a connection of its own')
  },
)
