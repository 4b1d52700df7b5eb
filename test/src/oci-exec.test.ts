/**
 * One more process in a running container: whose it is, what it holds, and when it ends. With the real runc
 * where there is root, and with plain processes everywhere.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'

import { logStart, type Executed, type ExecSpec } from '../../src/oci/driver.ts'
import { execsMax } from '../../src/oci/exec.ts'
import { makeBench, noContainers, type Bench } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const kinds = [
  { kind: 'oci', skip },
  { kind: 'process', skip: false },
] as const

const bash = (script: string, more: Partial<ExecSpec> = {}): ExecSpec => ({
  argv: ['bash', '-c', script],
  cwd: '/app',
  env: { HOME: '/app', PATH: '/usr/local/bin:/usr/bin:/bin' },
  ...more,
})

/** A driver with one container that runs on. */
const running = async (t: Test, kind: 'oci' | 'process', script = 'exec sleep 300'): Promise<Bench> => {
  const bench = await makeBench(t, kind)
  await bench.driver.start(bench.spec('web', script))
  return bench
}

const said = async (executed: Executed): Promise<{ out: string; err: string; code: number }> => {
  const [out, err, { code }] = await Promise.all([
    text(executed.output),
    text(executed.errors),
    executed.exit,
  ])
  return { out, err, code }
}

const notes = ({ stateDir }: Bench): readonly string[] => {
  const path = join(stateDir, 'web/exec')
  return existsSync(path) ? readdirSync(path) : []
}

for (const { kind, skip } of kinds) {
  t.test(`${kind}: an executed process has its streams, directory and exit status`, { skip }, async (t) => {
    const bench = await running(t, kind)
    const { driver } = bench
    const plain = await driver.exec('web', bash('echo out; echo err >&2; cat hello; cat; exit 7'))
    plain.stdin.end('fed\n')
    t.same(await said(plain), { out: 'out\nhello\nfed\n', err: 'err\n', code: 7 })
    const merged = await driver.exec('web', bash('echo one; echo two >&2; echo three', { merge: true }))
    t.same(await said(merged), { out: 'one\ntwo\nthree\n', err: '', code: 0 })
    const killed = await driver.exec('web', bash('kill -TERM $$'))
    t.equal((await said(killed)).code, 143)
    await until(() => notes(bench).length === 0, { what: 'no notes left' })
  })

  t.test(`${kind}: on a terminal its size is told and changes`, { skip }, async (t) => {
    const { driver } = await running(t, kind)
    // Without a trap of its own, bash takes a Ctrl-C for its child's when the child then ends well by itself,
    // as `stty` and `sleep` may at that very moment.
    const script = `trap "echo stopped; exit 130" INT; trap "stty size" WINCH
      tty; stty size; echo ready; while :; do sleep 0.05; done`
    const executed = await driver.exec('web', bash(script, { terminal: { columns: 91, rows: 33 } }))
    let out = ''
    executed.output.on('data', (chunk: Buffer) => (out += chunk.toString()))
    await until(() => out.includes('ready'), { what: 'the first size' })
    t.match(out, /\/dev\/(pts\/\d+|console)\r\n33 91\r\n/)
    executed.resize(120, 44)
    await until(() => out.includes('44 120'), { what: 'the new size' })
    executed.stdin.write('\u0003')
    t.equal((await executed.exit).code, 130)
    t.match(out, /\^Cstopped\r\n$/, 'Ctrl-C reaches it')
  })

  t.test(`${kind}: who hangs up sends SIGHUP to all of its session`, { skip }, async (t) => {
    const { driver } = await running(t, kind)
    // Ready is who is forked, not who forks: a signal before its exec is taken by the trap of its parent.
    const script = 'trap "echo hung up; exit 3" HUP; bash -c "echo ready; exec sleep 200" & wait'
    const executed = await driver.exec('web', bash(script))
    let out = ''
    executed.output.on('data', (chunk: Buffer) => (out += chunk.toString()))
    await until(() => out.includes('ready'), { what: 'its start' })
    executed.hangup()
    t.equal((await executed.exit).code, 3)
    t.match(out, /hung up/)
    t.equal((await driver.list())[0]?.state, 'running', 'the container goes on')
  })

  t.test(`${kind}: what is executed ends with the container, and not before`, { skip }, async (t) => {
    const { driver } = await running(t, kind)
    const one = await driver.exec('web', bash('echo ready; exec sleep 300'))
    const other = await driver.exec('web', bash('trap "" TERM HUP; echo ready; sleep 300; sleep 300'))
    for (const executed of [one, other]) await new Promise((seen) => executed.output.once('data', seen))
    await driver.signal('web', 'SIGKILL', 'init')
    await driver.wait('web')
    t.equal((await one.exit).code, 137)
    t.equal((await other.exit).code, 137)
    await t.rejects(driver.exec('web', bash('true')), { code: 'OCI_ENDED' })
    await t.rejects(driver.exec('nobody', bash('true')), { code: 'OCI_UNKNOWN' })
  })

  t.test(`${kind}: no more than ${execsMax} are executed at once`, { skip }, async (t) => {
    const bench = await running(t, kind)
    const held: Executed[] = []
    // One after the other: each takes its share of the container's tasks for a moment.
    while (held.length < execsMax) held.push(await bench.driver.exec('web', bash('exec cat')))
    await t.rejects(bench.driver.exec('web', bash('true')), { code: 'OCI_EXECS' })
    for (const executed of held) executed.stdin.end()
    for (const executed of held) t.equal((await executed.exit).code, 0)
    const again = await bench.driver.exec('web', bash('echo room'))
    t.equal((await said(again)).out, 'room\n')
  })

  t.test(`${kind}: what a killed holder left is ended by the next one`, { skip }, async (t) => {
    const bench = await running(t, kind)
    const module = kind === 'oci' ? 'oci' : 'process'
    const holder = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { open${kind === 'oci' ? 'Oci' : 'Process'}Driver: open } = await import(${JSON.stringify(
          join(import.meta.dirname, `../../src/oci/${module}.ts`),
        )})
         const driver = await open({ stateDir: ${JSON.stringify(bench.stateDir)}, now: () => 0 })
         const spec = ${JSON.stringify(bash('trap "" HUP PIPE; echo ready; while :; do sleep 1; done'))}
         const { output } = await driver.exec('web', spec)
         output.once('data', () => console.log('held'))`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], env: {} },
    )
    await new Promise((seen) => holder.stdout.once('data', seen))
    const [note = ''] = notes(bench)
    const pid = readFileSync(join(bench.stateDir, 'web/exec', note, 'pid'), 'utf8').trim()
    holder.kill('SIGKILL')
    await new Promise((gone) => holder.once('exit', gone))
    await bench.driver.sweep()
    await until(() => !isAlive(Number(pid)), { what: 'its end' })
    t.same(notes(bench), [])
    t.equal((await bench.driver.list())[0]?.state, 'running')
  })
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

t.test('oci: an executed process is and may what the container is and may', { skip }, async (t) => {
  const rights = `id -u; hostname; pwd; ulimit -u; ulimit -n; grep core /proc/self/limits; umask
    grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status; cat /proc/self/oom_score_adj
    touch /etc/x 2>&1; unshare -Ur true 2>&1 && echo unshared
    for ns in pid mnt net ipc uts cgroup user; do readlink /proc/self/ns/$ns; done
    sort -u /proc/self/cgroup`
  const { driver } = await running(t, 'oci', `{ ${rights}; echo told; }; exec sleep 300`)
  const own: string[] = []
  const follower = driver.follow('web', logStart, ({ lines }) => {
    own.push(...lines.map(({ bytes }) => bytes.toString()))
  })
  await until(() => own.includes('told'), { what: 'the word of the container' })
  follower.close()
  const { out, err } = await said(await driver.exec('web', bash(rights, { merge: true })))
  t.equal(err, '')
  t.same(out.trim().split('\n'), own.slice(0, -1))
  t.match(out, /NoNewPrivs:\t1/)
  t.match(out, /CapEff:\t0+\n/)
})
