/**
 * The lines that a dyno's life leaves in the log, word for word and in order as Heroku's logs have them
 * (spec/dyno.md §1.2, §1.3), and each as the stock CLI recognises it: by its own colours.
 */
import t from 'tap'
import { formatLine } from '../../actors/logplex/line.ts'
import type { Line } from '../../actors/protocols/channel.ts'
import { begun, launched } from '../kit/dynos.ts'
import { by, place, placed, record, releaseOf, report, settleAll } from '../kit/formations.ts'

process.env['FORCE_COLOR'] = '1'
const { default: colorize } = await import('heroku/dist/lib/run/colorize.js')

const lines = (...driven: readonly { readonly said: readonly Line[] }[]): string[] =>
  driven.flatMap(({ said }) => said.map((line) => formatLine(line).replace(/^\S+ /, '')))
/** What the CLI paints beyond the head of the line: it knows what the line says. */
const isKnown = (line: string): boolean => {
  const at = '2026-11-23T02:53:10.425123+00:00 '
  const [, body = ''] = colorize(at + line).split(/\]:\S* /)
  return body !== line.slice(line.indexOf(']: ') + 3)
}
const user = `by user ${by.email}`
const exitText = 'At least one process failed to exit within 30 seconds of SIGTERM'
const bootText = 'Web process failed to bind to $PORT within 60 seconds of launch'
// The missing "not" is Heroku's.
const sumText = 'Checksum does match expected value. Expected: SHA256:aa Actual: SHA256:bb'

/** `*` before a line: the CLI has to know it. */
const check = (name: string, made: readonly string[], wanted: readonly string[]): void => {
  t.test(name, (t) => {
    t.strictSame(
      made,
      wanted.map((line) => line.replace(/^\*/, '')),
    )
    for (const line of wanted.filter((one) => one.startsWith('*'))) t.ok(isKnown(line.slice(1)), line)
    t.end()
  })
}

const upFormation = (updates: { type: string; quantity: string }[] = []) => {
  const f = placed()
  if (updates.length > 0) f.send({ type: 'scale', updates, by })
  settleAll(f)
  f.clear()
  return f
}

check(
  'the first release starts one web dyno',
  (() => {
    const f = placed()
    settleAll(f)
    return lines(f)
  })(),
  [
    `app[api]: Scaled to release@0:Basic web@1:Basic worker@0:Basic ${user}`,
    '*heroku[web.1]: State changed from starting to up',
  ],
)

check(
  'scaling says the whole formation; what goes is down',
  (() => {
    const f = upFormation([{ type: 'web', quantity: '2' }])
    f.send({ type: 'scale', updates: [{ type: 'web', quantity: '1' }], by })
    return lines(f)
  })(),
  [
    `app[api]: Scaled to release@0:Basic web@1:Basic worker@0:Basic ${user}`,
    '*heroku[web.2]: State changed from up to down',
  ],
)

check(
  'a new release restarts what is up',
  (() => {
    const f = upFormation()
    f.send({ type: 'released', release: releaseOf(4), by })
    settleAll(f)
    return lines(f)
  })(),
  [
    '*heroku[web.1]: Restarting',
    '*heroku[web.1]: State changed from up to starting',
    '*heroku[web.1]: State changed from starting to up',
  ],
)

check(
  'a crash is tried again at once, the next cools off',
  (() => {
    const f = upFormation()
    for (let i = 0; i < 2; i++) {
      report(f, 'web.1', record(f).slots[0]!.run!.id, 'exited', { code: 1 })
      while (f.asked.length > 0) place(f, 'h')
    }
    return lines(f)
  })(),
  [
    '*heroku[web.1]: State changed from up to crashed',
    '*heroku[web.1]: State changed from crashed to starting',
    '*heroku[web.1]: State changed from starting to crashed',
  ],
)

check(
  'a dyno starts, stops when asked and exits',
  (() => {
    const d = begun({ command: 'npm start' })
    d.done('container.bound')
    d.send({ type: 'stop' })
    d.fire('signal')
    d.done('container.wait', { code: 143, oomKilled: false })
    return lines(d)
  })(),
  [
    '*heroku[web.1]: Starting process with command `npm start`',
    '*heroku[web.1]: Stopping all processes with SIGTERM',
    '*heroku[web.1]: Process exited with status 143',
  ],
)

check(
  'one that does not stop in 30 seconds is killed, with R12',
  (() => {
    const d = begun({ type: 'worker', name: 'worker.1', command: 'work' })
    d.send({ type: 'stop' })
    t.equal(d.timers.get('exit')?.ms, 30_000)
    d.fire('exit')
    d.done('container.wait', { code: 137, oomKilled: false })
    return lines(d)
  })(),
  [
    'heroku[worker.1]: Starting process with command `work`',
    'heroku[worker.1]: Stopping all processes with SIGTERM',
    `heroku[worker.1]: Error R12 (Exit timeout) -> ${exitText}`,
    'heroku[worker.1]: Stopping remaining processes with SIGKILL',
    'heroku[worker.1]: Process exited with status 137',
  ],
)

check(
  'a web dyno that does not bind in 60 seconds is killed, with R10',
  (() => {
    const d = begun({ command: 'node web.js' })
    t.equal(d.timers.get('boot')?.ms, 60_000)
    d.fire('boot')
    d.done('container.wait', { code: 137, oomKilled: false })
    return lines(d)
  })(),
  [
    '*heroku[web.1]: Starting process with command `node web.js`',
    `heroku[web.1]: Error R10 (Boot timeout) -> ${bootText}`,
    'heroku[web.1]: Stopping process with SIGKILL',
    '*heroku[web.1]: Process exited with status 137',
  ],
)

check(
  'a slug that is not what it was is refused, with R17, and a fault of the platform with R99',
  (() => {
    const [damaged, broken] = [launched(), launched()]
    damaged.failed('container.prepare', 'R17', sumText)
    broken.failed('container.prepare', 'OCI_START', 'no such runtime')
    return lines(damaged, broken)
  })(),
  [
    `heroku[web.1]: Error R17 (Checksum error) -> ${sumText}`,
    'heroku[web.1]: Error R99 (Platform error) -> no such runtime',
  ],
)

check(
  'a one-off says who started it, starts, and is complete whatever its status',
  (() => {
    const f = upFormation()
    const run = { type: 'run', command: 'bash', env: {}, attachToken: null, terminal: null, by } as const
    f.send(run)
    while (f.asked.length > 0) place(f, 'h')
    const slot = record(f).slots.find(({ type }) => type === 'run')!
    report(f, slot.name, slot.run!.id, 'up')
    report(f, slot.name, slot.run!.id, 'exited', { code: 2 })
    return lines(f).map((line) => line.replace(/run\.\d{4}/, 'run.4711'))
  })(),
  [
    `*app[api]: Starting process with command \`bash\` ${user}`,
    '*heroku[run.4711]: State changed from starting to up',
    '*heroku[run.4711]: State changed from up to complete',
  ],
)
