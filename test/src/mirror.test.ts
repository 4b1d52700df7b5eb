/**
 * The build mirror, in real containers: downloads of a build are answered from a folder, by TLS that the
 * usual clients trust, for the hosts that have a folder and no others.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { containerSandbox } from '../../actors/effects/perform/sandbox.ts'
import { helpers, mirrorProgram } from '../../config/buildpacks.ts'
import { issue, makeAuthority } from '../../src/certs/certificate.ts'
import { openMirror } from '../../src/slug/mirror.ts'
import { findNpm, platformNode } from '../../src/slug/platform-node.ts'
import type { Job, Sandbox } from '../../src/slug/sandbox.ts'
import { defaults, makeBench, noContainers, stack } from '../kit/containers.ts'
import { files, scratch } from '../kit/files.ts'
import { localSandbox } from '../kit/local-sandbox.ts'

const own = { ...makeAuthority('Mirror', Date.now(), 1), commonName: 'Mirror' }
const certify = (hosts: readonly string[]) => ({
  ...issue(own, hosts, Date.now(), 1),
  authority: own.certificate,
})

t.test(
  'a host with a folder is the mirror, for clients of every kind',
  { skip: noContainers() ?? false },
  async (t) => {
    const dir = await scratch(t)
    const folder = await files(join(dir, 'mirror'), {
      'nodejs.example/dist/index.txt': 'v22\n',
      'nodejs.example/pick?v=2': 'two\n',
      'nodejs.example/pick': 'any\n',
      'buckets.example/secret.txt': 'other\n',
      'No Host/x': '',
    })
    const { driver } = await makeBench(t, 'oci')
    const { limits } = defaults('x', '', dir)
    let n = 0
    const plain = containerSandbox({
      driver,
      on: { root: stack, layers: [] },
      limits: { ...limits, memoryBytes: 512 * 2 ** 20, pidsMax: 256 },
      newId: () => `mirror-${n++}`,
    })
    const node = await platformNode(join(dir, 'node'), {
      node: process.execPath,
      npm: await findNpm(process.env['PATH'] ?? ''),
    })
    const run = async (sandbox: Sandbox, script: string): Promise<{ code: number; said: string }> => {
      let said = ''
      const { code } = await sandbox({
        argv: ['bash', '-c', script, 'x', 'an argument'],
        cwd: '/tmp',
        env: { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', ...node.env, ...helpers.env },
        mounts: [...node.mounts, ...helpers.mounts],
        onOutput: (bytes) => (said += bytes.toString()),
        timeoutMs: 60_000,
      })
      return { code, said }
    }
    const mirrored = openMirror({ folder, program: mirrorProgram, tls: join(dir, 'tls'), certify })(plain)
    const made = await run(
      mirrored,
      `curl -fsS https://nodejs.example/dist/index.txt
python3 -c 'import urllib.request as u; print(u.urlopen("https://nodejs.example/pick?v=2").read().decode(), end="")'
"$MANIFOLD_NODE_DIR/bin/node" -e 'fetch("https://nodejs.example/pick?v=1").then(async (r) => console.log((await r.text()).trim()))'
curl -sS http://nodejs.example/none; curl -sS --path-as-is 'https://nodejs.example/../buckets.example/secret.txt'
curl -sS https://elsewhere.example/ 2>&1 | grep -o 'Could not resolve'; echo "$1"; exit 7`,
    )
    t.equal(
      made.said,
      'v22\ntwo\nany\nnot in the build mirror of this platform: nodejs.example/none\n' +
        'not in the build mirror of this platform: nodejs.example/../buckets.example/secret.txt\n' +
        'Could not resolve\nan argument\n',
    )
    t.equal(made.code, 7)
    const without = await run(plain, 'curl -sS https://nodejs.example/dist/index.txt 2>&1 | grep -o resolve')
    t.equal(without.said, 'resolve\n', 'a sandbox without it has none of it')
  },
)

t.test('no folder of a host, no mirror: the job is as it was', async (t) => {
  const dir = await scratch(t)
  let ran: Job | undefined
  const seen: Sandbox = (job) => {
    ran = job
    return localSandbox(job)
  }
  const options = { program: mirrorProgram, tls: join(dir, 'tls'), certify }
  const env = { MANIFOLD_NODE_DIR: '/opt/manifold/node' }
  const job: Job = { argv: ['true'], cwd: '/', env, mounts: [], onOutput: () => undefined, timeoutMs: 10_000 }
  mkdirSync(join(dir, 'empty'))
  for (const folder of [join(dir, 'empty'), join(dir, 'missing')]) {
    t.same(await openMirror({ ...options, folder })(seen)(job), { code: 0, timedOut: false })
    t.equal(ran, job)
  }
})
