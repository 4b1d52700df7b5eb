/** Drains into real rsyslog and syslog-ng over TCP and TLS: every byte is there, as each of them shows it. */
import t from 'tap'
import { drainToken, frameOf, logMessage, receiverIdentity, sinkTo } from '../kit/drains.ts'
import { hasDaemon, startDaemon, type Daemon } from '../kit/syslog-daemons.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)

const texts = [
  'plain',
  'Grüße, 世界',
  '\x1b[31mred',
  '   leading',
  '',
  'a\nb',
  '[INFO] -',
  'x'.repeat(10_000),
  'a\0b',
]

/** What they make of a NUL, which C's strings cannot hold. */
const nulShown: Readonly<Record<Daemon, RegExp>> = {
  rsyslog: /^a(?:#000|\0)b$/,
  'syslog-ng': /^a(?:\0|\\x00| )?b?$/,
}

for (const daemon of ['rsyslog', 'syslog-ng'] as const) {
  const skip = hasDaemon(daemon) ? false : `${daemon} is not here: scripts/setup --dev brings it`
  t.test(`${daemon} understands each message to the byte, over TCP and over TLS`, { skip }, async (t) => {
    const identity = receiverIdentity(['localhost', '127.0.0.1'])
    const { tcp, tls, understood } = await startDaemon(t, daemon, identity)
    let before = 0
    for (const url of [`syslog://127.0.0.1:${tcp}`, `syslog+tls://127.0.0.1:${tls}`]) {
      const sink = sinkTo(t, url, { ca: identity.ca })
      t.same(
        await sink.send(
          texts.map((text) => logMessage(text)),
          frameOf(1),
        ),
        { kind: 'delivered' },
      )
      await until(() => understood().length >= before + texts.length, { what: `${daemon} to write all` })
      const found = understood().slice(before)
      t.equal(found.length, texts.length)
      t.same(
        found.slice(0, -1).map(({ msg }) => msg),
        texts.slice(0, -1),
      )
      t.match(found.at(-1)?.msg, nulShown[daemon])
      for (const one of found) {
        const { pri, host, app, proc } = one
        t.same({ pri, host, app, proc }, { pri: '190', host: drainToken, app: 'app', proc: 'web.1' })
        t.match(one.ts, /^2023-11-14T22:13:20\.123456\+00:00$/)
      }
      before += texts.length
    }
  })
}
