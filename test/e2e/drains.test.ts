/**
 * Drains, with the stock CLI and a real dyno: every line comes, over HTTP, syslog and OTLP, also while a
 * receiver is away and while the host process is killed. And lines that come in from outside.
 */
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { syslogFrames } from '../../src/syslog/frame.ts'
import { commitApp, procfileApp, writeApp } from '../kit/apps.ts'
import { noContainers } from '../kit/containers.ts'
import { startLogplexReceiver } from '../kit/logplex-receiver.ts'
import { startOtlpReceiver } from '../kit/otlp-receiver.ts'
import { homeFile, startPlatform, type Platform } from '../kit/platform.ts'
import { FrameParser, parseMessage } from '../../src/syslog/parse.ts'
import { until } from '../kit/until.ts'

t.setTimeout(240_000)

const command = `bash -c 'n=0; while :; do echo "count $n"; n=$((n+1)); sleep 0.02; done'`

/** Texts of the messages that come over TCP. */
const startSyslogReceiver = async (t: Test) => {
  const texts: string[] = []
  const hosts = new Set<string>()
  const server = createServer((socket) => {
    const parser = new FrameParser()
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const frame of parser.feed(Buffer.from(chunk))) {
        const message = parseMessage(frame)
        if (message === undefined) throw new Error(frame.toString())
        hosts.add(message.host)
        texts.push(Buffer.from(message.text).toString())
      }
    })
    t.teardown(() => socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return { texts, hosts, port: (server.address() as AddressInfo).port }
}

const countsIn = (texts: readonly string[]): number[] =>
  texts.flatMap((text) => {
    const count = /^count (\d+)$/.exec(text.trim())?.[1]
    return count === undefined ? [] : [Number(count)]
  })
/** From the first on, without one left out. */
const isDense = (counts: readonly number[]): boolean => {
  const sorted = [...new Set(counts)].toSorted((a, b) => a - b)
  return sorted.every((count, at) => count === (sorted[0] ?? 0) + at)
}

/** A line by each way in. @returns whether a log has them all */
const bringLines = async (t: Test, platform: Platform, app: string) => {
  const { logplexPort: port } = platform
  const at = `http://127.0.0.1:${port}`
  const asked = `curl -s -u :$HEROKU_API_KEY -d '{"name":"cron"}' ${at}/v3/channels/${app}/tokens`
  const { token } = JSON.parse((await platform.sourced(asked)).stdout) as { token: string }
  const frame = (text: string): Uint8Array<ArrayBuffer> => {
    const message = { atUs: Date.now() * 1000, source: token, process: 'job.1', priority: 134 }
    return new Uint8Array(syslogFrames([{ ...message, text: Buffer.from(text) }], 'shuttle'))
  }
  const posted = await fetch(`${at}/logs`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`token:${token}`).toString('base64')}`,
      'content-type': 'application/logplex-1',
      'logplex-msg-count': '1',
    },
    body: frame('by HTTP'),
  })
  t.equal(posted.status, 204)
  connect(port, '127.0.0.1').end(frame('by TCP'))
  tlsConnect({ port, host: '127.0.0.1', ca: homeFile(platform, 'keys/ca.pem') }).end(frame('by TLS'))
  return (log: string): boolean =>
    ['by HTTP', 'by TCP', 'by TLS'].every((text) => log.includes(` cron[job.1]: ${text}\n`))
}

t.test('every line of a dyno comes to its drains', { skip: noContainers() ?? false }, async (t) => {
  const platform = await startPlatform()
  t.teardown(() => platform.dispose())
  const folder = join(platform.user, 'counter')
  writeApp(folder, procfileApp(command, 'worker'))
  await commitApp(platform, folder, 'first')
  const heroku = (...args: string[]) => platform.heroku(args, { cwd: folder })
  await heroku('create', 'counter')
  t.match(await platform.git(['push', 'heroku', 'HEAD:main'], { cwd: folder }), { code: 0 })

  // Away for a while, between the third request and the seventh.
  const http = await startLogplexReceiver(t, { answers: [200, 200, 503, 503, 503, 503] })
  const syslog = await startSyslogReceiver(t)
  const [url, syslogUrl] = [`http://127.0.0.1:${http.port}/in?key=1`, `syslog://127.0.0.1:${syslog.port}`]
  t.match(await heroku('drains:add', url), { code: 0, stdout: `Successfully added drain ${url}\n` })
  t.match(await heroku('drains:add', syslogUrl), { code: 0 })
  t.match(await heroku('drains:add', url), { stderr: /Url has already been taken/ })
  const otlp = await startOtlpReceiver(t, [200, 503, 503])
  const headers = ['--headers', '{"x-key":"secret"}']
  t.match(await heroku('telemetry:add', otlp.url, '-a', 'counter', ...headers), {
    code: 0,
    stdout: `successfully added drain ${otlp.url}\n`,
  })
  const telemetry = await heroku('telemetry', '-a', 'counter')
  const telemetryId = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(telemetry.stdout)?.[0] ?? ''
  t.match(await heroku('telemetry:info', telemetryId), {
    stdout: /Signals: +logs\n.*Endpoint: +http:.*Transport: +HTTP\n.*Headers: +\{"x-key":"secret"\}/s,
  })
  t.match(await heroku('drains:add', 'ftp://x/'), {
    stderr: /Invalid drain URL: its scheme is ftp \(allowed: /,
  })
  const listed = (await heroku('drains')).stdout
  const token = /\(key=1\)? ?\((d\.[0-9a-f-]{36})\)|in\?key=1 \((d\.[0-9a-f-]{36})\)/
    .exec(listed)
    ?.slice(1)
    .find(Boolean)
  t.ok(token, listed)
  const hasThem = await bringLines(t, platform, 'counter')
  await until(async () => hasThem(await platform.logs('counter', { source: 'cron', lines: 100 })), {
    timeoutMs: 60_000,
    what: 'lines from outside in the log',
  })
  t.ok(hasThem((await heroku('logs', '--source', 'cron')).stdout), 'and in heroku logs')
  t.match(await heroku('ps:scale', 'worker=1'), { code: 0 })

  const taken = () => http.received.filter((_, at) => at < 2 || at > 5)
  const overHttp = (): number[] => countsIn(taken().flatMap(({ texts }) => texts))
  const overSyslog = (): number[] => countsIn(syslog.texts)
  const overOtlp = (): number[] =>
    countsIn(
      otlp.received
        .filter(({ status }) => status === 200)
        .flatMap(({ records }) => records.map(({ body }) => body)),
    )
  await until(() => Math.min(overHttp().length, overSyslog().length, overOtlp().length) > 150, {
    timeoutMs: 60_000,
    what: 'lines of all drains',
  })
  t.equal(overHttp().length, new Set(overHttp()).size, 'each once')
  const before = Math.max(...overHttp())
  await platform.kill()
  await platform.restart()
  await until(
    () => [overHttp, overSyslog, overOtlp].every((counts) => Math.max(...counts()) > before + 300),
    {
      timeoutMs: 60_000,
      what: 'lines of after the host process was killed',
    },
  )
  t.ok(isDense(overHttp()) && Math.min(...overHttp()) === 0, 'none is missing over HTTP')
  t.ok(isDense(overSyslog()) && Math.min(...overSyslog()) === 0, 'nor over syslog')
  t.ok(isDense(overOtlp()) && Math.min(...overOtlp()) === 0, 'nor by OTLP')
  t.same(otlp.problems, [])
  t.match(otlp.received.at(-1), { target: '/v1/logs', headers: { 'x-key': 'secret' } })
  t.match(
    otlp.received.flatMap(({ records }) => records).findLast(({ body }) => body.startsWith('count')),
    { resource: { 'service.name': 'counter', 'heroku.dyno.name': 'worker.1' } },
  )
  t.same([...new Set(http.problems)], ['token'], 'as strict as can be: the kit knows another token')
  t.equal(syslog.hosts.size, 1)
  const outside = taken()
    .flatMap(({ messages }) => messages)
    .filter((one) => one.includes(' cron job.1 '))
  t.equal(outside.length, 3, 'what came in from outside goes on, too')
  t.ok(
    outside.every((one) => one.includes('<134>1 ')),
    'with its own priority',
  )

  const shown = JSON.parse((await heroku('drains', '--json')).stdout) as { url: string; token: string }[]
  t.match(
    shown.find((one) => one.url === url),
    { token, delivery: { state: 'up', dropped: 0 } },
  )
  const moved = await heroku('telemetry:update', telemetryId, '--endpoint', `${otlp.url}/elsewhere`)
  t.match(moved, { code: 0, stdout: /Endpoint: +http.*\/elsewhere\n/ })
  await until(() => otlp.received.at(-1)?.target === '/elsewhere/v1/logs', {
    timeoutMs: 60_000,
    what: 'telemetry to go elsewhere',
  })
  t.match(await heroku('telemetry:remove', telemetryId), { code: 0 })
  t.match(await heroku('telemetry', '-a', 'counter'), {
    stdout: 'There are no telemetry drains in counter\n',
  })
  t.match(await heroku('drains:remove', url), { code: 0 })
  t.notMatch((await heroku('drains')).stdout, /http:/)
  // What was under way when it was removed may still have come.
  const { length } = http.received
  const reached = Math.max(...overSyslog())
  await until(() => Math.max(...overSyslog()) > reached + 100, {
    timeoutMs: 60_000,
    what: 'the other to go on',
  })
  t.ok(http.received.length <= length + 1)
  t.match(await heroku('apps:destroy', 'counter', '--confirm', 'counter'), { code: 0 })
})
