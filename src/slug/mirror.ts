/**
 * The build mirror: hosts that builds download from, served from a folder of this machine instead, with no
 * change to any buildpack (spec/dyno.md §3). In it `<host>/<path>` is what `https://<host>/<path>` answers.
 *
 * The server runs inside the sandbox, on its own loopback, where the hosts that have a folder lead to:
 * nothing of this machine's network is opened for it. It shows certificates of an authority that only builds
 * trust, since whoever builds can read their key.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Job, Sandbox } from './sandbox.ts'

export type MirrorOptions = {
  /** Absolute. Folders in it that are named like hosts are served; read anew for each job. */
  readonly folder: string
  /** The folder with serve.mjs. */
  readonly program: string
  /** Where certificates are kept, one folder for each set of hosts. */
  readonly tls: string
  /** PEM of a new certificate with these names, of its key, and of the authority. */
  readonly certify: (hosts: readonly string[]) => { certificate: string; key: string; authority: string }
}

const at = '/opt/manifold/mirror'
const bundle = '/tmp/manifold-ca.pem'
const hostPattern = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/
const hostsMax = 200

/** By these curl, git, Ruby, Node.js and Python are told whom to trust. */
const trust = Object.fromEntries(
  [
    'CURL_CA_BUNDLE',
    'SSL_CERT_FILE',
    'GIT_SSL_CAINFO',
    'NODE_EXTRA_CA_CERTS',
    'REQUESTS_CA_BUNDLE',
    'PIP_CERT',
  ].map((name) => [name, bundle]),
)

// The server's end of the pipe says when it listens; it goes with the sandbox.
const script = `trusted=$1; shift
[ -r "$trusted" ] || trusted=/etc/ssl/certs/ca-certificates.crt
cat "$trusted" ${at}/tls/authority.pem > ${bundle}
exec 3< <(exec "$MANIFOLD_NODE_DIR/bin/node" ${at}/program/serve.mjs ${at}/files ${at}/tls 2>&1)
read -r -u 3 said; [ "$said" = ready ] || { echo " !     The build mirror did not start: $said"; exit 1; }
exec "$@" 3<&-`

/** Gives sandboxes whose jobs find the mirror in the place of its hosts; jobs without Node.js have none. */
export const openMirror = (options: MirrorOptions): ((sandbox: Sandbox) => Sandbox) => {
  /** By set of hosts: the folder with the certificate. */
  const certificates = new Map<string, Promise<string>>()
  const certificateFor = (hosts: readonly string[]): Promise<string> => {
    const dir = join(options.tls, createHash('sha256').update(hosts.join(' ')).digest('hex').slice(0, 16))
    const made = certificates.get(dir) ?? write(dir, options.certify(hosts))
    certificates.set(dir, made)
    made.catch(() => certificates.delete(dir))
    return made
  }
  return (sandbox) => async (job) => {
    const hosts = await hostsOf(options.folder)
    if (hosts.length === 0 || job.env['MANIFOLD_NODE_DIR'] === undefined) return sandbox(job)
    return sandbox(mirrored(job, hosts, options, await certificateFor(hosts)))
  }
}

const mirrored = (job: Job, hosts: readonly string[], options: MirrorOptions, tls: string): Job => ({
  ...job,
  argv: ['bash', '-c', script, 'mirror', job.env['SSL_CERT_FILE'] ?? '', ...job.argv],
  env: { ...job.env, ...trust },
  mounts: [
    ...job.mounts,
    { source: options.folder, target: `${at}/files`, mode: 'ro' },
    { source: options.program, target: `${at}/program`, mode: 'ro' },
    { source: tls, target: `${at}/tls`, mode: 'ro' },
  ],
  hosts: Object.fromEntries(hosts.map((host) => [host, '127.0.0.1'])),
})

async function hostsOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw new Error(`cannot read the build mirror ${folder}`, { cause })
  })
  const names = entries.filter((entry) => entry.isDirectory() && hostPattern.test(entry.name))
  return names
    .map(({ name }) => name)
    .toSorted()
    .slice(0, hostsMax)
}

async function write(dir: string, texts: ReturnType<MirrorOptions['certify']>): Promise<string> {
  await mkdir(dir, { recursive: true })
  for (const [name, text] of Object.entries(texts)) await writeFile(join(dir, `${name}.pem`), text)
  return dir
}
