/**
 * Hostile containers, with the real runc: whatever one tries it gets nothing, and a neighbour and the host go
 * on. What they may see, use up and reach otherwise is in oci-isolation.test.ts.
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import t from 'tap'

import { logStart, type Stats } from '../../src/oci/driver.ts'
import { logFileBytesMax } from '../../src/oci/log-file.ts'
import { makeBench, noContainers, type Bench } from '../kit/containers.ts'
import { leftovers } from '../kit/leftovers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false

/** Says `name: ok` for each attempt that succeeded, `name: <errno>` for each that did not. */
const python = (attempts: Readonly<Record<string, string>>): string => {
  const tries = Object.entries(attempts).map(
    ([name, code]) => `attempt(${JSON.stringify(name)}, lambda: ${code})`,
  )
  return `cat >/tmp/try.py <<'END'
import ctypes, errno, os, signal, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    if getattr(libc, name)(*args) < 0: raise OSError(ctypes.get_errno(), name)
def read(path): return open(path, 'rb').read(64)
def write(path, text): return os.write(os.open(path, os.O_WRONLY), text.encode())
def attempt(name, what):
    try: what(); print(name + ': ok')
    except OSError as error: print(name + ': ' + errno.errorcode[error.errno])
${tries.join('\n')}
END
python3 /tmp/try.py`
}
/** What of these succeeded. */
const succeeded = (out: readonly string[]): string[] =>
  out.filter((line) => line.endsWith(': ok')).map((line) => line.slice(0, -4))

t.test('what needs a right that a container lacks is refused, whatever it is', { skip }, async (t) => {
  const { run } = await makeBench(t, 'oci')
  const attempts = {
    'raw socket': 'socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)',
    'packet socket': 'socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)',
    'a socket to the hypervisor': 'socket.socket(40, socket.SOCK_STREAM)',
    'the same past a filter of 64 bits': "call('syscall', 41, ctypes.c_long(0x100000028), 1, 0)",
    "the kernel's ciphers": 'socket.socket(38, socket.SOCK_SEQPACKET)',
    mount: "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    umount: "call('umount2', b'/tmp', 2)",
    'pivot root': "call('pivot_root', b'/tmp', b'/tmp')",
    chroot: "os.chroot('/tmp')",
    'user namespace': "call('unshare', 0x10000000)",
    'mount namespace': "call('unshare', 0x20000)",
    "init's namespace": "call('setns', os.open('/proc/1/ns/mnt', os.O_RDONLY), 0)",
    'another user': 'os.setuid(0)',
    'a device node': "os.mknod('/tmp/sda', 0o60666, os.makedev(8, 0))",
    'host name': "socket.sethostname('mine')",
    'the clock': "call('settimeofday', ctypes.create_string_buffer(16), None)",
    reboot: "call('reboot', 0)",
    priority: 'os.nice(-5)',
    'a module': "call('syscall', 175, None, 0, b'')",
    bpf: "call('syscall', 321, 0, None, 0)",
    'kernel keys': "call('syscall', 250, 0, -3, 1)",
    perf: "call('syscall', 298, None, 0, -1, -1, 0)",
  }
  const { out } = await run('rights', python(attempts))
  t.equal(out.length, Object.keys(attempts).length)
  t.strictSame(succeeded(out), [])
})

t.test('kernel files tell and take nothing', { skip }, async (t) => {
  const { run } = await makeBench(t, 'oci')
  const before = readFileSync('/proc/sys/kernel/core_pattern', 'utf8')
  const written = {
    sysrq: "write('/proc/sysrq-trigger', 'h')",
    'core pattern': "write('/proc/sys/kernel/core_pattern', '|/tmp/x')",
    'release agent': "write('/sys/fs/cgroup/memory/release_agent', '/tmp/x')",
    'its own bound': "write('/sys/fs/cgroup/memory/memory.limit_in_bytes', '-1')",
    'the same in version 2': "write('/sys/fs/cgroup/memory.max', 'max')",
    'another group': "write('/sys/fs/cgroup/cgroup.procs', '0')",
    'a group of its own': "os.mkdir('/sys/fs/cgroup/mine')",
    'oom score': "write('/proc/1/oom_score_adj', '-1000')",
    uevent: "write('/sys/kernel/uevent_helper', '/tmp/x')",
    'memory of the machine': "write('/dev/mem', 'x')",
    "init's memory": "open('/proc/1/mem', 'rb+').read(1)",
  }
  const { out } = await run('write', python(written))
  t.equal(out.length, Object.keys(written).length)
  t.strictSame(succeeded(out), [])
  t.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), before)
  const masked = await run(
    'read',
    'for f in kcore keys timer_list; do head -c 1 /proc/$f | wc -c; done; ls /sys/firmware',
  )
  t.strictSame(masked.out, ['0', '0', '0'])
  const seen = await run('processes', 'ls -d /proc/[0-9]* | wc -l')
  t.ok(Number(seen.out[0]) < 8, 'its own processes and no other')
})

t.test('a slug with tricks in it gives what any other gives', { skip }, async (t) => {
  const { run, slug } = await makeBench(t, 'oci')
  symlinkSync('/etc/shadow', join(slug, 'shadow'))
  symlinkSync('/proc/1/root/etc/passwd', join(slug, 'root'))
  symlinkSync('../../../../../../etc/hostname', join(slug, 'up'))
  execFileSync('mknod', [join(slug, 'disk'), 'b', '7', '0'])
  execFileSync('mknod', [join(slug, 'zero'), 'c', '1', '5'])
  execFileSync('cp', ['/usr/bin/id', join(slug, 'id')])
  chmodSync(join(slug, 'id'), 0o4755)
  writeFileSync(join(slug, 'mine'), 'mine')
  const script = `cat shadow; cat up; cat root | grep -c $(hostname); head -c1 disk; head -c1 zero | wc -c
    ./id -u; id -u; chown 0 mine; ln mine /tmp/link; stat -c %u mine`
  const { out, err } = await run('tricks', script)
  const [hostname, roots, zeros, effective, own, owner] = out
  t.strictSame([hostname, roots, zeros], ['test-runtime', '0', '0'], 'its own files, and no device')
  t.equal(effective, own, 'a setuid file is an ordinary one')
  t.equal(owner, own)
  for (const name of ['shadow', 'disk', 'zero'])
    t.ok(
      err.some((line) => line.includes(name) && /denied|not permitted/i.test(line)),
      name,
    )
})

t.test(
  'no process of the host or of another container can be signalled, traced or read',
  { skip },
  async (t) => {
    const { driver, spec, run } = await makeBench(t, 'oci')
    const other = await driver.start(spec('other', 'exec sleep 600'))
    const pids = [process.pid, other.pid]
    const attempts = Object.fromEntries(
      pids.flatMap((pid) => [
        [`signal ${pid}`, `os.kill(${pid}, signal.SIGTERM)`],
        [`trace ${pid}`, `call('ptrace', 16, ${pid}, None, None)`],
        [`files of ${pid}`, `read('/proc/${pid}/environ')`],
        [`memory of ${pid}`, `call('process_vm_readv', ${pid}, None, 0, None, 0, 0)`],
      ]),
    )
    const { out } = await run('signals', python(attempts))
    t.equal(out.length, Object.keys(attempts).length)
    t.strictSame(succeeded(out), [])
    t.equal((await driver.list()).find(({ id }) => id === 'other')?.state, 'running')
  },
)

t.test(
  'a process that ignores everything ends when it is killed, with all that it began',
  { skip },
  async (t) => {
    const { driver, spec } = await makeBench(t, 'oci')
    const ignore = 'for s in HUP INT QUIT TERM USR1 USR2 PIPE ALRM TSTP; do trap "" $s; done'
    const loop = 'while :; do sleep 0.1; done'
    const script = `${ignore}; (setsid sh -c '${ignore}; ${loop}' &); ${loop}`
    await driver.start(spec('deaf', script))
    const { pids } = await until(
      async () => {
        const stats = await driver.stats('deaf')
        return stats.pids >= 4 && stats
      },
      { what: 'its processes' },
    )
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) await driver.signal('deaf', signal, 'all')
    t.ok((await driver.stats('deaf')).pids >= pids - 2, 'sleeps may end, its shells do not')
    await driver.signal('deaf', 'SIGKILL', 'all')
    t.match(await driver.wait('deaf'), { code: 137 })
    await until(async () => (await driver.stats('deaf')).pids === 0, { what: 'nothing of it' })
  },
)

t.test('who hoards files, spins or prints without end hurts nobody', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci')
  const { driver, spec, stateDir } = bench
  const hoard = `a = []
try:
    while 1: a.append(open("/dev/null"))
except OSError as error: print(len(a), error.strerror)`
  const hoarded = await bench.run('files', `python3 -c '${hoard}'`)
  const [, count, why] = /^(\d+) (.*)$/.exec(hoarded.out[0] ?? '') ?? []
  t.equal(why, 'Too many open files')
  t.ok(Number(count) > 1_000 && Number(count) < 1_024, `${count} of 1,024`)
  const served = await neighbour(bench)
  await driver.start(spec('hog', 'for i in 1 2 3 4 5 6 7 8; do (while :; do :; done) & done; wait'))
  await driver.start(
    spec('flood', 'exec python3 -c \'import sys\nwhile 1: sys.stdout.write("x" * 200 + "\\n")\''),
  )
  const bytes = (): number =>
    readdirSync(join(stateDir, 'flood'))
      .filter((name) => name.startsWith('log'))
      .map((name) => statSync(join(stateDir, 'flood', name), { throwIfNoEntry: false })?.size ?? 0)
      .reduce((sum, size) => sum + size, 0)
  let [file, rotations] = [0, 0]
  const rotated = (): number => {
    const { ino } = statSync(join(stateDir, 'flood', 'log'))
    if (ino !== file) rotations += 1
    file = ino
    return rotations
  }
  await until(() => rotated() > 6, { what: 'more output than is kept', timeoutMs: 60_000 })
  for (let i = 0; i < 20; i++) t.equal(await served(), 200)
  t.ok(bytes() <= 5 * logFileBytesMax, 'its log is bounded')
  await driver.signal('flood', 'SIGKILL', 'all')
  await driver.wait('flood')
  let lost = false
  await driver.follow('flood', logStart, (batch) => void (lost ||= batch.lost)).done
  t.ok(lost, 'what was rotated away unread is told')
  await driver.signal('hog', 'SIGKILL', 'all')
})

t.test('what takes all it can of anything hurts nobody, and nothing is left of it', { skip }, async (t) => {
  const bench = await makeBench(t, 'oci')
  const { driver, spec, stateDir } = bench
  const mb = 2 ** 20
  const limits = { ...spec('', '').limits, diskBytes: 128 * mb }
  const hoard = 'while (open($f, "<", "/dev/null")) { push @all, $f; undef $f } print "all\\n"; sleep 600'
  const attacks: Record<string, { script: string; rages: (stats: Stats, output: string) => boolean }> = {
    memory: {
      script: `while :; do perl -e '$all .= "a" x ${mb} while 1'; echo again; done`,
      rages: (_, output) => output.split('again').length > 3,
    },
    disk: {
      script: 'while :; do cat /dev/zero >/tmp/all; rm /tmp/all; done',
      rages: (_, output) => output.split('No space left').length > 3,
    },
    files: {
      script: `for n in 1 2 3 4 5 6 7 8; do perl -e '$| = 1; ${hoard}' & done; wait`,
      rages: (_, output) => output.split('all').length > 8,
    },
    forks: {
      script: 'bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 600',
      rages: ({ pids }) => pids >= 60,
    },
  }
  const served = await neighbour(bench)
  // An empty disk of each size is kept for the next.
  const left = (): string[] => leftovers(stateDir).filter((name) => !name.startsWith('disk-'))
  const before = left()
  for (const [id, { script, rages }] of Object.entries(attacks)) {
    await driver.start(spec(id, script, { limits }))
    const log = join(stateDir, id, 'log')
    await until(async () => rages(await driver.stats(id), readFileSync(log, 'utf8')), {
      what: `${id} taken`,
      timeoutMs: 60_000,
    })
    for (let i = 0; i < 20; i++) t.equal(await served(), 200, `beside ${id}`)
    await driver.remove(id)
    t.strictSame(left(), before, `after ${id}`)
  }
})

/** A container that serves, asked with a bound on time. */
const neighbour = async ({ driver, spec }: Bench): Promise<() => Promise<number>> => {
  const { address } = await driver.start(spec('neighbour', 'exec python3 -m http.server 3456'))
  const ask = (): Promise<number> =>
    new Promise((resolve) => {
      const call = get({ host: address, port: 3456, timeout: 5_000 }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      call.once('timeout', () => call.destroy()).once('error', () => resolve(0))
    })
  await until(async () => (await ask()) === 200, { what: 'the neighbour' })
  return ask
}
