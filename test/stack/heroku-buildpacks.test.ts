/**
 * What Heroku's own buildpacks need (nodejs, go, apt, inline, multi, nginx), by small ones of our own that do
 * the same with the same means, in a real build container with the build mirror: downloads from the hosts
 * that they name, checked by sums; caches, exports, profiles, config vars; apt with its own state; git.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { containerSandbox } from '../../actors/effects/perform/sandbox.ts'
import { mirrorProgram } from '../../config/buildpacks.ts'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { killAll } from '../../src/oci/signal.ts'
import type { CompileOptions } from '../../src/slug/compile.ts'
import { openMirror } from '../../src/slug/mirror.ts'
import { findNpm, platformNode } from '../../src/slug/platform-node.ts'
import { build, shell, type Built } from '../kit/builds.ts'
import { startDyno } from '../kit/compiler.ts'
import { defaults, makeBench, noContainers, stack } from '../kit/containers.ts'
import { files, scratch } from '../kit/files.ts'
import { freePort } from '../kit/ports.ts'
import { until } from '../kit/until.ts'

const exec = promisify(execFile)
t.setTimeout(300_000)
const skip = noContainers() ?? false
if (skip) t.pass(skip, { skip })

const dir = await scratch(t)
const mirror = join(dir, 'mirror')
const own = { ...makeAuthority('Mirror', Date.now(), 1), commonName: 'Mirror' }

/** A tar in the mirror, of files by path; gives its checksum. */
const archive = async (at: string, tree: Record<string, string>): Promise<string> => {
  const from = await files(join(dir, 'trees', at), tree)
  await mkdir(join(mirror, at, '..'), { recursive: true })
  await exec('tar', ['-czf', join(mirror, at), '-C', from, '.'])
  return createHash('sha256')
    .update(await readFile(join(mirror, at)))
    .digest('hex')
}

/** A buildpack as a repository in the mirror; gives its address. */
const published = async (name: string, tree: Record<string, string>): Promise<string> => {
  const at = await files(join(dir, 'repos', name), tree)
  const git = (...argv: string[]) =>
    exec('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...argv], { cwd: at })
  await git('init', '-q', '-b', 'main')
  await git('add', '-A')
  await git('commit', '-q', '-m', name)
  const bare = join(mirror, 'packs.example', `${name}.git`)
  await git('clone', '-q', '--bare', '.', bare)
  await exec('git', ['update-server-info'], { cwd: bare })
  return `https://packs.example/${name}.git`
}
/** The same as an archive. */
const packed = async (name: string, tree: Record<string, string>): Promise<string> => {
  await archive(`packs.example/${name}.tgz`, tree)
  return `https://packs.example/${name}.tgz`
}
const detects = (file: string, says: string): string => shell(`[ -e "$1/${file}" ] && echo '${says}'`)

/** Builds in a container, on the stack, with the mirror. */
const openBuilds = async (): Promise<
  (source: Record<string, string>, more: Partial<CompileOptions>) => Promise<Built>
> => {
  const { driver } = await makeBench(t, 'oci')
  let n = 0
  const { limits } = defaults('x', '', dir)
  const plain = containerSandbox({
    driver,
    on: { root: stack, layers: [] },
    limits: { ...limits, memoryBytes: 1024 ** 3, pidsMax: 512, diskBytes: 512 * 2 ** 20 },
    newId: () => `pack-${n++}`,
  })
  const certify = (hosts: readonly string[]) => ({
    ...issue(own, hosts, Date.now(), 1),
    authority: own.certificate,
  })
  const sandbox = openMirror({ folder: mirror, program: mirrorProgram, tls: join(dir, 'tls'), certify })(
    plain,
  )
  const npm = await findNpm(process.env['PATH'] ?? '')
  const platform = await platformNode(join(dir, 'node'), { node: process.execPath, npm })
  return (source, more) => build(dir, source, { sandbox, platform, ...more })
}
const inContainer = skip ? undefined : await openBuilds()
const made = async (source: Record<string, string>, more: Partial<CompileOptions>): Promise<Built> => {
  const built = await inContainer?.(source, {
    cacheDir: join(dir, 'cache', Object.keys(source).join()),
    ...more,
  })
  if (built?.result === undefined) throw new Error(`${built?.output}\n${built?.failure?.text}`)
  return built
}
const dyno = (app: string, command: string, env: Record<string, string> = {}) => {
  const child = startDyno(app, command, env)
  t.teardown(() => killAll([-(child.pid ?? 0)], 'SIGKILL'))
  return child
}
const says = async (app: string, command: string): Promise<string> => {
  let out = ''
  const child = dyno(app, command)
  child.stdout?.on('data', (bytes: Buffer) => (out += bytes.toString()))
  await new Promise((resolve) => child.once('close', resolve))
  return out
}

t.test(
  'like nodejs and go: a toolchain by its checksum, kept, and handed to the next',
  { skip },
  async (t) => {
    const sum = await archive('dist.example/v1/tool.tar.gz', {
      'bin/tool*': shell('echo "tool $*"'),
    })
    const fetches = await published('fetches', {
      'bin/detect*': detects('package.json', 'Tool'),
      'inventory.json': JSON.stringify({ url: 'https://dist.example/v1/tool.tar.gz', sha256: sum }),
      'bin/compile*': shell(`set -euo pipefail; unset GIT_DIR
build=$1 cache=$2 env=$3; pack=$(cd "$(dirname "$0")/.." && pwd)
url=$(jq -r .url inventory.json); sum=$(jq -r .sha256 inventory.json)
if [ -f "$cache/tool.tgz" ]; then echo '-----> Using cached tool'
else
  echo '-----> Fetching tool'
  curl -fsSL --retry 3 "$url" -o "$cache/part"; mv "$cache/part" "$cache/tool.tgz"
fi
sha256sum --check --status <<< "$sum  $cache/tool.tgz" || { echo ' !     checksum mismatch'; exit 1; }
mkdir -p "$build/.heroku/tool" "$build/.profile.d"; tar -xzf "$cache/tool.tgz" -C "$build/.heroku/tool"
echo "       mode=$(cat "$env/TOOL_MODE") leaked=\${TOOL_MODE:-no}"
echo 'export PATH="$HOME/.heroku/tool/bin:$PATH"' > "$build/.profile.d/tool.sh"
echo "export PATH=$build/.heroku/tool/bin:\\$PATH" > "$pack/export"
mkdir -p "$cache/build-data"; echo 'stage=finished' > "$cache/build-data/tool"`),
      'bin/report*': shell(
        '. "$2/build-data/tool"; echo "{\\"stage\\":\\"$stage\\"}"; cp "$2/build-data/tool" "$2/told"',
      ),
    })
    const uses = await packed('uses', {
      'bin/detect*': detects('package.json', 'Uses'),
      'bin/compile*': shell('tool built by "$STACK" > "$1/built"'),
      'bin/release*': shell("echo 'default_process_types: {web: tool serve}'"),
    })
    const source = { 'package.json': '{}' }
    const options = { buildpacks: [`${fetches}#main`, uses], config: { TOOL_MODE: 'fast' } }
    const first = await made(source, options)
    t.match(first.output, /-----> Fetching tool\n {7}mode=fast leaked=no\n[^]*-----> Uses app detected/)
    t.same(first.result?.processTypes, { web: 'tool serve' })
    const app = first.result?.appDir ?? ''
    t.equal(await readFile(join(app, 'built'), 'utf8'), 'tool built by heroku-24\n')
    t.equal(await says(app, 'tool serve'), 'tool serve\n')
    t.match((await made(source, options)).output, '-----> Using cached tool')
    t.ok(await stat(join(dir, 'cache/package.json/told')), 'bin/report has read what the build wrote down')
    await archive('dist.example/v1/tool.tar.gz', { 'bin/tool*': shell('echo other') })
    const other = await inContainer?.(source, { ...options, cacheDir: join(dir, 'cache/other') })
    t.match(other?.output, '!     checksum mismatch')
  },
)

t.test('like apt: packages of the lists in Aptfile, unpacked below .apt', { skip }, async (t) => {
  const deb = await files(join(dir, 'deb'), {
    'DEBIAN/control': 'Package: greet\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: x\n',
    'usr/bin/greet*': shell('echo "hello from $(basename "$(dirname "$(dirname "$(dirname "$0")")")")"'),
    'usr/lib/greet.so': '',
  })
  const pool = join(mirror, 'debs.example/debian')
  await mkdir(pool, { recursive: true })
  await exec('dpkg-deb', ['--build', '--root-owner-group', deb, join(pool, 'greet.deb')])
  const bytes = await readFile(join(pool, 'greet.deb'))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const control = await readFile(join(deb, 'DEBIAN/control'), 'utf8')
  const index = `${control}Filename: ./greet.deb\nSize: ${bytes.length}\nSHA256: ${sha256}\n`
  await files(pool, { Packages: index, 'extra/said.deb': bytes.toString('latin1').slice(0, 8) })
  const apt = await packed('apt', {
    'bin/detect*': detects('Aptfile', 'Apt'),
    'bin/compile*': shell(`set -eo pipefail; build=$1 state=$2/apt
mkdir -p "$state"/{cache/archives/partial,state/lists/partial,sources}
[ -f /etc/apt/sources.list ] || { echo ' !     no sources.list'; exit 1; }
sed -n 's/^:repo://p' "$build/Aptfile" > "$state/sources/sources.list"
options="-o debug::nolocking=true -o dir::cache=$state/cache -o dir::state=$state/state
  -o dir::etc::sourcelist=$state/sources/sources.list -o dir::etc::sourceparts=/dev/null"
apt-get $options update > "$state/log" 2>&1 || { cat "$state/log"; exit 1; }
for name in $(grep -v '^:repo:' "$build/Aptfile"); do
  echo "-----> Fetching .debs for $name"
  apt-get $options -y --allow-downgrades -d install --reinstall "$name" > "$state/log" 2>&1 \\
    || { cat "$state/log"; exit 1; }
done
mkdir -p "$build/.apt" "$build/.profile.d"
for deb in "$state"/cache/archives/*.deb; do
  echo "-----> Installing $(basename "$deb")"; dpkg -x "$deb" "$build/.apt/"
done
cat > "$build/.profile.d/000_apt.sh" <<'SH'
export PATH="$HOME/.apt/usr/bin:$PATH" LD_LIBRARY_PATH="$HOME/.apt/usr/lib:$LD_LIBRARY_PATH"
SH`),
  })
  const source = { Aptfile: ':repo:deb [trusted=yes] http://debs.example/debian ./\ngreet\n' }
  const { output, result } = await made(source, { buildpacks: [apt] })
  t.match(output, /Fetching \.debs for greet\n-----> Installing greet_1_all\.deb\n/)
  const app = result?.appDir ?? ''
  t.equal(await says(app, "sh -c 'greet; echo $LD_LIBRARY_PATH'"), `hello from .apt\n${app}/.apt/usr/lib:\n`)
})

t.test(
  'like inline and multi: the app brings its buildpack, or names others to clone',
  { skip },
  async (t) => {
    const run = (script: string): string =>
      shell(`[ ! -f "$1/bin/${script}" ] || exec "$1/bin/${script}" "$@"`)
    const inline = await packed('inline', {
      'bin/detect*': run('detect'),
      'bin/compile*': run('compile'),
      'bin/release*': run('release'),
    })
    const app = {
      'bin/detect*': shell('echo Own'),
      'bin/compile*': shell(
        'echo "args=$# home=$HOME"; touch "$1/own" "$HOME/seen"; ls -d "$2" "$3" > /dev/null',
      ),
      'bin/release*': shell("echo 'default_process_types: {worker: ./own}'"),
    }
    const first = await made(app, { buildpacks: [inline] })
    t.match(first.output, '-----> Own app detected\nargs=3 home=/app\n')
    t.same(first.result?.processTypes, { worker: './own' })

    const one = await published('one', {
      'bin/detect*': shell('echo One'),
      'bin/compile*': shell('echo "export ONE=1" > "$(dirname "$0")/../export"'),
    })
    await archive('packs.example/two.tgz', {
      'bin/detect*': shell('echo Two'),
      'bin/compile*': shell('echo "       ONE=$ONE"'),
      'bin/release*': shell("echo 'default_process_types: {web: two}'"),
    })
    const multi = await packed('multi', {
      'bin/detect*': detects('.buildpacks', 'Multipack'),
      'bin/compile*': shell(`set -e; unset GIT_DIR
for address in $(cat "$1/.buildpacks"); do
  at=$(mktemp -d)/pack; url=\${address%#*}
  echo "=====> Downloading Buildpack: $address"
  case $url in
    *.tgz*) mkdir "$at"; curl -fsS "$url" | tar -xz -C "$at" ;;
    *) git clone -q "$url" "$at"; [ "$url" = "$address" ] || git -C "$at" checkout -q "\${address#*#}" ;;
  esac
  cd "$at"; echo "=====> Detected Framework: $(bin/detect "$1")"; bin/compile "$1" "$2" "$3"
  [ ! -e export ] || . ./export
  [ ! -x bin/release ] || bin/release "$1" > "$1/last_pack_release.out"
done`),
      'bin/release*': shell('cat "$1/last_pack_release.out"'),
    })
    const source = { '.buildpacks': `${one}#main\nhttps://packs.example/two.tgz?token=k&v=2\n` }
    const { output, result } = await made(source, { buildpacks: [multi] })
    t.match(output, /Detected Framework: One\n[^]*Detected Framework: Two\n {7}ONE=1\n/)
    t.same(result?.processTypes, { web: 'two' })
    const set = await made({ x: '' }, { buildpacks: ['https://packs.example/two.tgz?token=k&v=2'] })
    t.match(set.output, 'https://packs.example/two.tgz?token=k&v=2\n-----> Two app detected\n')
  },
)

t.test('like nginx: a server for the stack, before an app that is ready', { skip }, async (t) => {
  const pack = await files(join(dir, 'trees/nginx-pack'), {
    'bin/detect*': shell('echo Front'),
    'conf.template': 'listen ${PORT}\n',
    'bin/start-front*': shell(`PORT=$PORT envsubst < config/front.conf.template > config/front.conf
( "$@" ) & until [ -f app-initialized ]; do sleep 0.05; done
bin/front config/front.conf & wait -n; exit 1`),
    'bin/compile*':
      shell(`set -e; tmp=$(mktemp -d); tar -xzf "front-$STACK-$(dpkg --print-architecture).tgz" -C "$tmp"
mkdir -p "$1/bin" "$1/config"; mv "$tmp/front" "$1/bin/"; cp bin/start-front "$1/bin/"
[ -f "$1/config/front.conf.template" ] || cp conf.template "$1/config/front.conf.template"
echo "-----> Installed $("$1/bin/front" -V) to app/bin"`),
  })
  const front = `#!/usr/bin/env python3
import socket, sys
if sys.argv[1] == "-V": sys.exit(print("front/1"))
server = socket.create_server(("127.0.0.1", int(open(sys.argv[1]).read().split()[1])))
while True:
    client, _ = server.accept(); client.recv(65536)
    app = socket.socket(socket.AF_UNIX); app.connect("front.socket")
    body = app.recv(65536)
    head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n" % len(body)
    client.sendall(head + body)
    client.close()
`
  const { stdout: arch } = await exec('dpkg', ['--print-architecture'])
  const binary = await files(join(dir, 'trees/front'), { 'front*': front })
  await exec('tar', ['-czf', join(pack, `front-heroku-24-${arch.trim()}.tgz`), '-C', binary, 'front'])
  await mkdir(join(mirror, 'packs.example'), { recursive: true })
  await exec('tar', ['-czf', join(mirror, 'packs.example/front.tgz'), '-C', join(dir, 'trees'), 'nginx-pack'])
  const app = `import os, socket
server = socket.socket(socket.AF_UNIX); server.bind("front.socket"); server.listen()
open("app-initialized", "w").close()
while True:
    client, _ = server.accept(); client.sendall(b"from the app"); client.close()
`
  const source = { 'app.py': app, Procfile: 'web: bin/start-front python3 app.py\n' }
  const { output, result } = await made(source, { buildpacks: ['https://packs.example/front.tgz'] })
  t.match(output, '-----> Installed front/1 to app/bin')
  const port = await freePort()
  dyno(result?.appDir ?? '', result?.processTypes['web'] ?? '', { PORT: String(port) }).stdout?.resume()
  const ask = (): Promise<string | undefined> =>
    new Promise((resolve) => {
      const call = request({ host: '127.0.0.1', port }, (answer) => {
        let body = ''
        answer.on('data', (bytes: Buffer) => (body += bytes.toString())).once('end', () => resolve(body))
      })
      call.once('error', () => resolve(undefined)).end()
    })
  t.equal(await until(ask, { what: 'the server to answer' }), 'from the app')
})
