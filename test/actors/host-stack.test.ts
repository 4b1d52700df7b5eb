/**
 * The stack host with real containers: what of this machine can be seen on it and what cannot, and an app
 * that is built on it by a buildpack and serves from it.
 */
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { newestRoot, type StackRoot } from '../../actors/effects/perform/container/stacks.ts'
import { containerSandbox } from '../../actors/effects/perform/sandbox.ts'
import { defaultStack } from '../../actors/main/stacks.ts'
import { builtinFolders } from '../../config/buildpacks.ts'
import { compile } from '../../src/slug/compile.ts'
import { adopt } from '../../src/slug/unpack.ts'
import { systemRandom } from '../../src/system/random.ts'
import { named } from '../kit/builds.ts'
import { makeBench } from '../kit/containers.ts'
import { files, scratch } from '../kit/files.ts'
import { perform, performOneSlug } from '../kit/perform.ts'
import { machineEnv, run } from '../kit/run.ts'
import { runOf } from '../kit/runs.ts'

const project = process.cwd()
/** Containers take their time on a busy machine. */
t.setTimeout(300_000)
const skip = process.getuid?.() === 0 ? false : 'runc needs root'

/** Made by its recipe, in a home of the test's own. */
const makeHostStack = async (t: Test): Promise<StackRoot> => {
  const home = await scratch(t)
  await chmod(home, 0o755)
  const env = { ...machineEnv(), MANIFOLD_HOME: home }
  t.match(await run([join(project, 'scripts/stack'), 'host'], { env }), { code: 0 })
  const folder = join(home, 'stacks')
  t.equal(defaultStack(folder, 'oci'), 'host', 'no image was made')
  return newestRoot(folder, 'host')
}

t.test(
  'on the stack host a container sees of this machine what is listed, and no more',
  { skip },
  async (t) => {
    const { root, layers } = await makeHostStack(t)
    const bench = await makeBench(t, 'oci')
    const slug = bench.spec('x', '').layers
    // A folder of the machine in which only root may read one file.
    const machine = await files(await scratch(t), { secret: 'hush', plain: 'hello' })
    await chmod(machine, 0o755)
    await chmod(join(machine, 'secret'), 0o600)
    const shown = { source: machine, target: '/usr/shown', mode: 'machine' } as const
    const sees = async (script: string): Promise<string[]> => {
      const id = systemRandom.uuid()
      const { out, err } = await bench.run(id, script, { root, layers: [...layers, shown, ...slug] })
      t.same(err, [])
      return out
    }

    const [names, etc, hidden, local] = await Promise.all([
      sees('ls -A /'),
      sees('ls -A /etc'),
      sees('ls -A /etc/ssl /home /var/log /var/lib /var/cache /run /opt /opt/manifold /usr/shown'),
      sees('ls -A /usr/local'),
    ])
    t.notOk(names.some((name) => ['boot', 'media', 'mnt', 'srv'].includes(name)))
    const list = (await readFile(join(root, 'etc/manifold-shows'), 'utf8')).split('\n')
    const own =
      `bash.bashrc group heroku hostname hosts manifold-shows manifold-stack nsswitch.conf passwd profile
        profile.d resolv.conf ssl`.split(/\s+/)
    t.same(
      etc.filter((name) => !own.includes(name) && !list.includes(`/etc/${name}`)),
      [],
      'nothing else of /etc',
    )
    t.same(
      local.filter((name) => !list.includes(`/usr/local/${name}`)),
      [],
      'nothing else of /usr/local',
    )
    t.same(
      hidden.filter((line) => line !== ''),
      `/etc/ssl: certs openssl.cnf /home: /opt: manifold /opt/manifold: /run: /usr/shown: plain secret
        /var/cache: /var/lib: /var/log:`.split(/\s+/),
    )

    const tries = `
    cd /
    for path in /etc/shadow /usr/shown/secret; do
      cat "$path" >/dev/null 2>&1 && echo "read $path"
    done
    for path in /root /etc/ssh; do ls "$path" >/dev/null 2>&1 && echo "listed $path"; done
    for path in / /etc /usr/bin /usr/shown /etc/alternatives /root; do
      { >"$path/planted"; } 2>/dev/null && echo "wrote $path"
    done
    { >/usr/shown/plain; } 2>/dev/null && echo 'wrote what is shown'
    cat /usr/shown/plain && echo
    grep NoNewPrivs /proc/self/status
    grep -v -e '^u[0-9]*:' /etc/passwd | cut -d: -f1,3 | grep :1000
    while read -r _ _ _ _ point options _; do
      case $point in
        /usr/* | /etc/alternatives) case $options in *ro*nosuid*nodev*) ;; *) echo "$point $options" ;; esac ;;
      esac
    done </proc/self/mountinfo
    whoami
  `
    t.match(await sees(tries), ['hello', 'NoNewPrivs:\t1', 'heroku:1000', /^u\d+$/])
    t.equal(await readFile(join(machine, 'plain'), 'utf8'), 'hello')
  },
)

t.test('an app is built on the stack host by a buildpack, and serves from it', { skip }, async (t) => {
  const on = await makeHostStack(t)
  const bench = await makeBench(t, 'oci')
  const { driver } = bench
  const dir = await scratch(t)
  await chmod(dir, 0o755)
  const limits = { ...bench.spec('x', '').limits, diskBytes: 64 * 2 ** 20 }
  let output = ''
  const built = await compile({
    sandbox: containerSandbox({ driver, on, limits, newId: () => systemRandom.uuid() }),
    workDir: join(dir, 'build'),
    cacheDir: join(dir, 'cache'),
    token: 'c0ffee12',
    stack: 'host',
    sourceVersion: 'abc123',
    requestId: 'build',
    config: {},
    platform: { env: {}, mounts: [] },
    slugFile: join(dir, 'slug.tgz'),
    buildpacks: ['heroku/procfile'],
    ...named(builtinFolders),
    fallbacks: [],
    buildpackStore: join(dir, 'store'),
    onOutput: (text) => (output += text),
    checkout: async (into) =>
      void (await files(into, { Procfile: 'web: perl web.pl\n', 'web.pl': webProgram })),
  })
  t.match(output, /-----> Building on the Host stack\n/)
  t.same({ ...built.processTypes }, { web: 'perl web.pl' })
  const app = join(dir, 'slug')
  await adopt(built.appDir, app)

  const effects = performOneSlug({ driver, slug: app, rootOf: () => on })
  const web = { ...runOf('web.1'), id: systemRandom.uuid(), type: 'web', command: 'perl web.pl' }
  const at = await perform<{ address: string; port: number }>(effects, 'container.start', { run: web })
  await (effects['container.bound'] as (at: object, cancelled: AbortSignal) => Promise<void>)(
    { runId: web.id, ...at },
    AbortSignal.timeout(30_000),
  )
  const answer = await fetch(`http://${at.address}:${at.port}/`)
  t.match(await answer.text(), /^web\.1 of \/app\n$/)
})

/** A server in what every Debian has. */
const webProgram = `
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalPort => $ENV{PORT}, Listen => 5, ReuseAddr => 1) or die $!;
while (my $client = $server->accept) {
  while (<$client>) { last if /^\\r?$/ }
  my $text = "$ENV{DYNO} of $ENV{HOME}\\n";
  print $client "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: ", length($text), "\\r\\n\\r\\n$text";
  close($client);
}
`
