/**
 * Container drivers, with the real runc, conmon, bridge and firewall: the contract that both drivers keep.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

import { logStart, type LogBatch } from '../../src/oci/driver.ts'
import { collect, makeBench, noContainers, readAll } from '../kit/containers.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const why = noContainers()
const source = join(import.meta.dirname, '../../src/oci')

for (const kind of ['oci', 'process'] as const) {
  const skip = kind === 'oci' && why !== undefined ? why : false

  t.test(`${kind}: a container runs, prints, exits and is gone`, { skip }, async (t) => {
    const { driver, run, spec } = await makeBench(t, kind)
    const script =
      'echo out; echo err >&2; cat hello; ./bin/run a "b c"; echo more >>hello; cat hello; exit 3'
    const { code, out, err } = await run('life', script)
    t.equal(code, 3)
    t.same(out, ['out', 'hello', 'ran a b c', 'hello', 'more'])
    t.same(err, ['err'])
    t.same((await run('life2', 'cat hello')).out, ['hello'], 'the layer beneath stays as it was')
    t.equal((await run('killed', 'kill -KILL $$')).code, 137)
    t.equal((await run('term', 'kill -TERM $$')).signal, 'SIGTERM')
    t.equal((await run('missing', '', { argv: ['no-such-program'] })).code, 127)
    t.same(await driver.list(), [])
    await driver.start(spec('twice', 'exec sleep 600'))
    await t.rejects(driver.start(spec('twice', 'true')), { code: 'OCI_ID_TAKEN' })
    t.same(
      (await driver.list()).map(({ id, state, labels }) => ({ id, state, labels })),
      [{ id: 'twice', state: 'running', labels: { kind: 'test' } }],
    )
    await t.rejects(driver.teardown(), { code: 'OCI_BUSY' })
    await driver.remove('twice')
    await driver.remove('twice')
    await t.rejects(driver.wait('twice'), { code: 'OCI_UNKNOWN' })
    await t.rejects(driver.start(spec('../up', 'true')), { code: 'OCI_SPEC' })
    await t.rejects(driver.start(spec('empty', '', { argv: [] })), { code: 'OCI_SPEC' })
    t.same(await driver.list(), [])
  })

  t.test(`${kind}: layers are shown read-only or written through as they say`, { skip }, async (t) => {
    const { driver, run, slug, spec, stateDir } = await makeBench(t, kind)
    const rw = join(stateDir, '../rw')
    mkdirSync(rw)
    writeFileSync(join(rw, 'old'), 'old\n', { mode: 0o600 })
    const layers = [
      { source: slug, target: '/app', mode: 'ro' as const },
      { source: rw, target: '/tmp/build_1', mode: 'rw' as const },
    ]
    const script = 'cat old; echo new >new; chmod 700 old; rm -f gone; echo no >$HOME/x || echo refused; pwd'
    const { out } = await run('layers', script, { layers, cwd: '/tmp/build_1' })
    t.equal(out[0], 'old')
    t.equal(readFileSync(join(rw, 'new'), 'utf8'), 'new\n')
    if (kind === 'oci') {
      t.equal(out[1], 'refused')
      t.equal(execFileSync('stat', ['-c', '%u:%g', join(rw, 'new')], { encoding: 'utf8' }), '0:0\n')
    }
    const files = [{ target: '/etc/heroku/dyno', text: '{"dyno":1}' }]
    const started = await driver.start({
      ...spec('files', 'cat "$FILE"'),
      files,
      env: {
        FILE: kind === 'oci' ? '/etc/heroku/dyno' : join(stateDir, 'files/files/0'),
        PATH: '/usr/bin:/bin',
      },
    })
    t.equal((await driver.wait('files')).code, 0)
    t.equal((await readAll(driver, 'files'))[0]?.bytes.toString(), '{"dyno":1}')
    t.ok(started.paths['/etc/heroku/dyno']?.startsWith(kind === 'oci' ? '/etc' : stateDir))
    await driver.remove('files')
  })

  t.test(`${kind}: a signal reaches the first process or all of them`, { skip }, async (t) => {
    const { driver, spec } = await makeBench(t, kind)
    const child = (name: string): string =>
      `bash -c 'trap "echo ${name} got TERM; exit" TERM; echo ${name} ready; while :; do sleep 0.02; done' &`
    const children = `${child('one')} ${child('two')}`
    const script = `${children} trap 'echo init got TERM' TERM; wait; wait; wait; wait; exit 9`
    await driver.start(spec('all', script))
    const lines: string[] = []
    const follower = driver.follow('all', logStart, (batch: LogBatch) => {
      lines.push(...batch.lines.map(({ bytes }) => bytes.toString()))
    })
    await until(() => lines.filter((line) => line.endsWith('ready')).length === 2, { what: 'both children' })
    await driver.signal('all', 'SIGTERM', 'init')
    await until(() => lines.includes('init got TERM'), { what: 'the signal to the first process' })
    t.notMatch(lines.join(), 'one got')
    await driver.signal('all', 'SIGTERM', 'all')
    t.equal((await driver.wait('all')).code, 9)
    await follower.done
    t.same(lines.filter((line) => /^(one|two) got/.test(line)).toSorted(), ['one got TERM', 'two got TERM'])
    await driver.signal('all', 'SIGTERM', 'all')
    await driver.remove('all')
    await driver.start(spec('kill', 'trap "" TERM HUP; sleep 600 & while :; do sleep 0.1; done'))
    await driver.signal('kill', 'SIGKILL', 'all')
    t.equal((await driver.wait('kill')).signal, 'SIGKILL')
    await driver.remove('kill')
  })

  t.test(
    `${kind}: an attached container has its streams, with and without a terminal`,
    { skip },
    async (t) => {
      const { driver, spec } = await makeBench(t, kind)
      const script = 'for i in 1 2 3; do echo out $i; echo err $i >&2; done; cat; tty; exit 4'
      const plain = await driver.attach(spec('plain', script))
      plain.stdin.write('typed\n')
      plain.stdin.end()
      t.equal(await collect(plain), 'out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\ntyped\nnot a tty\n')
      t.equal((await plain.exit).code, 4)
      t.equal((await driver.wait('plain')).code, 4)
      await driver.remove('plain')

      const brief = await driver.attach(spec('brief', 'echo brief'))
      await brief.exit
      t.equal(await collect(brief), 'brief\n', 'read only after its end')
      await driver.remove('brief')

      const terminal = { columns: 97, rows: 31 }
      const tty = await driver.attach(spec('tty', 'stty size; read x; echo got $x; exit 5', { terminal }))
      tty.stdin.write('line\r')
      const output = await collect(tty)
      t.match(output, '31 97\r\n')
      t.match(output, 'got line\r\n')
      t.equal((await tty.exit).code, 5)
      await driver.remove('tty')

      const hung = await driver.attach(
        spec('hung', 'trap "echo hup; exit 6" HUP; echo up; while :; do sleep 0.02; done'),
      )
      hung.output.once('data', () => void driver.signal('hung', 'SIGHUP', 'all'))
      t.match(await collect(hung), 'hup')
      t.equal((await hung.exit).code, 6)
      await driver.remove('hung')
      await t.rejects(driver.attach(spec('nowhere', 'true', { cwd: '/proc/none' })), { code: 'OCI_START' })
      t.same(await driver.list(), [])
    },
  )

  t.test(`${kind}: containers outlive who started them and are found again`, { skip }, async (t) => {
    const { driver, spec, stateDir } = await makeBench(t, kind)
    const specs = [
      spec('long', 'echo first; while [ ! -e stop ]; do sleep 0.02; done; echo last; exit 7'),
      spec('short', 'echo only; exit 8'),
    ]
    startAndDie(kind, stateDir, specs)
    const found = new Map((await driver.list()).map((each) => [each.id, each]))
    t.equal(found.get('long')?.state, 'running')
    t.same(found.get('long')?.labels, { kind: 'test' })
    t.equal((await driver.wait('short')).code, 8)
    t.same(
      (await readAll(driver, 'short')).map(({ bytes }) => bytes.toString()),
      ['only'],
    )

    const batches: LogBatch[] = []
    const first = driver.follow('long', logStart, (batch) => void batches.push(batch))
    await until(() => batches.length > 0, { what: 'the first line' })
    first.close()
    await first.done
    await driver.signal('long', 'SIGKILL', 'all')
    t.equal((await driver.wait('long')).code, 137)
    const rest: LogBatch[] = []
    await driver.follow('long', batches.at(-1)?.cursor ?? logStart, (batch) => void rest.push(batch)).done
    const seen = [...batches, ...rest].flatMap(({ lines }) => lines.map(({ bytes }) => bytes.toString()))
    t.same(seen, ['first'], 'the resumed follower repeats nothing')
    await Promise.all(['long', 'short'].map((id) => driver.remove(id)))
  })
}

/** A process of its own starts the containers and dies by SIGKILL the moment they run. */
const startAndDie = (kind: 'oci' | 'process', stateDir: string, specs: readonly object[]): void => {
  const module = kind === 'oci' ? 'oci.ts' : 'process.ts'
  const open = kind === 'oci' ? 'openOciDriver' : 'openProcessDriver'
  const script = `
    import { ${open} } from ${JSON.stringify(join(source, module))}
    const driver = await ${open}({ stateDir: ${JSON.stringify(stateDir)}, now: () => Date.now() })
    for (const spec of ${JSON.stringify(specs)}) await driver.start(spec)
    process.kill(process.pid, 'SIGKILL')
  `
  const env = { PATH: process.env['PATH'] ?? '' }
  const { signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env,
    encoding: 'utf8',
  })
  if (signal !== 'SIGKILL') throw new Error(`the starter did not die as it should: ${stderr}`)
}
