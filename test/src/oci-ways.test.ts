/**
 * How another host reaches a container, and what a container reaches of another host: with the real runc and
 * firewall, and a network namespace that plays the other host.
 */
import { execFileSync } from 'node:child_process'
import t from 'tap'

import { homeHash, indexOfPort, outerPortOf } from '../../src/oci/addresses.ts'
import type { ContainerSpec, Outer } from '../../src/oci/driver.ts'
import { openOciDriver } from '../../src/oci/oci.ts'
import { makeBench, noContainers, type Bench } from '../kit/containers.ts'
import { makeOtherHost } from '../kit/other-host.ts'
import { until } from '../kit/until.ts'

t.setTimeout(300_000)
const skip = noContainers() ?? false
const inner = 3456

/** Says its name to whoever connects. */
const greeter = (bench: Bench, name: string): ContainerSpec => {
  const script = `exec perl -MIO::Socket::INET -e '
    $s = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => ${inner}, Listen => 5, ReuseAddr => 1);
    while ($c = $s->accept) { print $c "${name}"; close $c }'`
  return bench.spec(name, script, { expose: inner })
}

const portOf = (outer: Outer | undefined): number => outer?.port ?? 0

t.test('an admitted host reaches an exposed container, others do not', { skip }, async (t) => {
  const other = await makeOtherHost(t, 78)
  const bench = await makeBench(t, 'oci')
  const { driver } = bench
  t.equal((await driver.start(greeter(bench, 'early'))).outer, undefined, 'its own address is not known yet')
  await driver.admit([other.first, 'not.an.address'], other.own)
  const one = await driver.start(greeter(bench, 'one'))
  t.match(one.outer, { address: other.own, port: Number })
  const early = (await driver.list()).find(({ id }) => id === 'early')?.outer
  t.not(portOf(early), portOf(one.outer))

  const from = (address: string, outer: Outer | undefined): Promise<string> =>
    other.ask(address, other.own, portOf(outer))
  await until(async () => (await from(other.first, one.outer)) === 'one', { what: 'the container' })
  t.equal(await from(other.first, early), 'early')
  t.equal(await from(other.second, one.outer), '', 'not admitted')
  t.equal(await other.ask(other.first, one.address, inner), '', 'its inner address leads nowhere')
  const silent = await driver.start(bench.spec('silent', 'exec sleep 600'))
  t.equal(silent.outer, undefined, 'not exposed')

  await driver.admit([other.second], other.own)
  t.equal(await from(other.first, one.outer), '', 'not admitted any more')
  t.equal(await from(other.second, one.outer), 'one')
})

t.test('a container reaches no cluster host, and no other container through one', { skip }, async (t) => {
  const other = await makeOtherHost(t, 79)
  const bench = await makeBench(t, 'oci')
  const { driver, run } = bench
  const attempt = (address: string, port: number): string =>
    `(timeout 1 bash -c 'exec 3<>/dev/tcp/${address}/${port}' 2>/dev/null && echo ${address} open) &`
  const { out } = await run('before', `${attempt(other.first, other.port)} wait`)
  t.same(out, [`${other.first} open`], 'somebody outside, as long as it is no host of ours')

  await driver.admit([other.first], other.own)
  const one = await driver.start(greeter(bench, 'one'))
  await until(async () => (await other.ask(other.first, other.own, portOf(one.outer))) === 'one', {
    what: 'the container',
  })
  const attempts = [
    attempt(other.first, other.port),
    attempt(other.own, portOf(one.outer)),
    attempt(other.second, other.port),
  ]
  const after = await run('after', `${attempts.join('\n')}\nwait`)
  t.same(after.out, [`${other.second} open`], 'only who is no host of ours')
})

t.test('a way in lasts as long as its container, whatever becomes of the driver', { skip }, async (t) => {
  const other = await makeOtherHost(t, 80)
  const bench = await makeBench(t, 'oci')
  const { driver, stateDir } = bench
  const table = `manifold_${homeHash(stateDir)}_ways`
  await driver.admit([other.first], other.own)
  const { outer } = await driver.start(greeter(bench, 'long'))
  const answered = (): Promise<string> => other.ask(other.first, other.own, portOf(outer))
  await until(async () => (await answered()) === 'long', { what: 'the container' })

  await driver.sweep()
  t.equal(await answered(), 'long', 'after the tables were written again')
  execFileSync('nft', ['delete', 'table', 'ip', table])
  t.equal(await answered(), '')
  const second = await driver.start(greeter(bench, 'second'))
  t.equal(await answered(), 'long', 'a start notices that the table is gone')
  execFileSync('nft', ['delete', 'table', 'ip', table])
  await driver.sweep()
  t.equal(await answered(), 'long', 'and so does the sweep')

  const again = await openOciDriver({ stateDir, now: () => Date.now() })
  t.teardown(() => again.close())
  t.equal(await answered(), 'long', 'while nobody has swept')
  await again.sweep()
  t.equal(await answered(), 'long', 'under another driver, which nobody has told of the hosts yet')
  t.match((await again.list()).find(({ id }) => id === 'long')?.outer, outer ?? {})
  await again.remove('long')
  t.equal(await answered(), '')
  t.notMatch(elements(table), `${portOf(outer)} :`)
  const third = await again.start(greeter(bench, 'third'))
  t.notOk([portOf(outer), portOf(second.outer)].includes(portOf(third.outer)), 'a port is not used again')

  const next = portOf(third.outer) + 1
  const careful = await openOciDriver({ stateDir, portsKept: [next, next + 1], now: () => Date.now() })
  t.teardown(() => careful.close())
  t.equal(
    portOf((await careful.start(greeter(bench, 'careful'))).outer),
    next + 2,
    'what is kept is not given',
  )
  for (const { id } of await careful.list()) await careful.remove(id)
  t.equal(elements(table), '')
  await careful.teardown()
  t.notMatch(execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }), table)
})

t.test('many containers at once each have their way', { skip }, async (t) => {
  const other = await makeOtherHost(t, 81)
  const bench = await makeBench(t, 'oci')
  const { driver } = bench
  await driver.admit([other.first], other.own)
  const names = ['a', 'b', 'c', 'd']
  const all = await Promise.all(names.map((name) => driver.start(greeter(bench, name))))
  await Promise.all(
    all.map(({ id, outer }) =>
      until(async () => (await other.ask(other.first, other.own, portOf(outer))) === id, {
        what: `container ${id}`,
      }),
    ),
  )
  await Promise.all(names.map((name) => driver.remove(name)))
  t.equal(elements(`manifold_${homeHash(bench.stateDir)}_ways`), '')
})

t.test('in the process driver the port is the same from everywhere', async (t) => {
  const { driver, spec } = await makeBench(t, 'process')
  t.equal((await driver.start(spec('early', 'exec sleep 600', { expose: inner }))).outer, undefined)
  await driver.admit(['198.18.78.2'], '198.18.78.1')
  const outer = { address: '198.18.78.1', port: inner }
  t.match(await driver.start(spec('one', 'exec sleep 600', { expose: inner })), { outer })
  t.equal((await driver.start(spec('silent', 'exec sleep 600'))).outer, undefined)
  const found = (await driver.list()).map(({ id, outer: told }) => [id, told])
  t.same(Object.fromEntries(found), { early: outer, one: outer, silent: undefined })
})

t.test('outer ports lie above what hosts listen on and below what connections go out from', async (t) => {
  t.equal(outerPortOf(2), 10_002)
  t.equal(indexOfPort(outerPortOf(77)), 77)
  t.ok(outerPortOf(2 ** 14) < 32_768)
})

/** The ways in a table as nft shows them; empty without any. */
const elements = (table: string): string => {
  const text = execFileSync('nft', ['list', 'map', 'ip', table, 'ways'], { encoding: 'utf8' })
  return /elements = \{([^}]*)\}/.exec(text)?.[1]?.trim() ?? ''
}
