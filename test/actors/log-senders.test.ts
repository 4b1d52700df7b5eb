/** The senders that people have, into log input: logger, rsyslog and syslog-ng, each line to the byte. */
import { spawn, spawnSync } from 'node:child_process'
import { connect } from 'node:net'
import t from 'tap'
import { openInput } from '../kit/log-input.ts'
import { hasDaemon } from '../kit/syslog-daemons.ts'
import { startSender } from '../kit/syslog-senders.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const texts = ['plain', 'Grüße, 世界', '   leading', '[INFO] ready', '- dash', 'x'.repeat(9_000), 'last']
/** More than a frame may have. */
const tooLong = 'y'.repeat(20_000)

for (const daemon of ['rsyslog', 'syslog-ng'] as const) {
  const skip = hasDaemon(daemon) ? false : `${daemon} is not here: scripts/setup --dev brings it`
  t.test(`${daemon} brings each message by TCP and by TLS, but one too long`, { skip }, async (t) => {
    const { channel, input, certificates, arrived, texts: shown } = await openInput(t)
    const { id, token } = await channel('shop', 'cron')
    const ca = certificates.authority
    const ports = await startSender(t, daemon, { port: input.port, token, ca })
    for (const port of [ports.tcp, ports.tls]) {
      const before = shown(id).length
      const sent = texts.toSpliced(3, 0, tooLong).map((text) => {
        const at = '2023-11-14T22:13:20.123456+00:00'
        return `<30>1 ${at} box their-name 4711 - [meta a="\\"b\\]"] ${text}\n`
      })
      connect(port, '127.0.0.1').end(sent.join(''))
      await until(() => shown(id).at(-1) === 'cron[4711]: last' && shown(id).length > before, {
        what: `the lines of ${daemon}`,
      })
      t.same(
        shown(id).slice(before),
        texts.map((text) => `cron[4711]: ${text}`),
      )
    }
    for (const line of arrived.flatMap(({ lines }) => lines))
      t.match([line.atUs, line.priority], [1_700_000_000_123_456, 30])
  })
}

const hasLogger = String(spawnSync('logger', ['--version']).stdout).includes('util-linux')

t.test('logger brings its lines', { skip: hasLogger ? false : 'there is no logger here' }, async (t) => {
  const { channel, input, arrived, texts: shown } = await openInput(t)
  const { token } = await channel('shop', 'cron')
  const argv = `--tcp --server 127.0.0.1 --port ${input.port} --rfc5424 --octet-count --id=4711 -p mail.err`
  const said = ['one', 'zwei Grüße', '[INFO] three']
  const child = spawn('logger', [...argv.split(' '), '--tag', token], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.stdin?.end(`${said.join('\n')}\n`)
  t.equal(await ended, 0)
  await until(() => shown().length === said.length, { what: 'the lines of logger' })
  t.same(
    shown(),
    said.map((text) => `cron[4711]: ${text}`),
  )
  t.equal(arrived[0]?.lines[0]?.priority, 19, 'mail.err')
})
