/** Guesses: counted for all hosts together, in bounded messages, and to nobody else's harm. */
import t from 'tap'
import { createAttempts } from '../../actors/api/accounts/attempts.ts'
import { openGuesses } from '../../actors/main/guesses.ts'
import { virtualClock } from '../../src/sim/clock.ts'

type Heard = (body: Uint8Array, from: string) => void

/** Hosts on one bus; what is published is heard by all, when `deliver` is called. */
const openHosts = (names: readonly string[]) => {
  const clock = virtualClock()
  const heard = new Map<string, { readonly host: string; readonly onBody: Heard }[]>()
  const sent: { readonly topic: string; readonly body: Uint8Array; readonly from: string }[] = []
  const messages: number[] = []
  const open = (host: string) =>
    openGuesses({
      clock,
      admits: (from) => from !== host && from !== 'dyno-host',
      transport: {
        publish: (topic, body) => {
          messages.push(body.length)
          sent.push({ topic, body, from: host })
        },
        subscribe: (topic, onBody) => {
          const one = { host, onBody }
          heard.set(topic, [...(heard.get(topic) ?? []), one])
          return {
            close: () =>
              heard.set(
                topic,
                (heard.get(topic) ?? []).filter((each) => each !== one),
              ),
          }
        },
      },
    })
  const say = (topic: string, text: string, from: string): void => {
    for (const { onBody } of heard.get(topic) ?? []) onBody(Buffer.from(text), from)
  }
  /** Everything that is to be said is heard. */
  const settle = (): void => {
    for (let round = 0; round < 10; round += 1) {
      clock.step(Infinity)
      for (const { topic, body, from } of sent.splice(0))
        for (const { onBody } of heard.get(topic) ?? []) onBody(body, from)
    }
  }
  const hosts = names.map(open)
  return { clock, hosts, open, settle, say, sent, messages, heard }
}

t.test('wrong passwords at several hosts are counted together', async (t) => {
  const { hosts, settle } = openHosts(['h1', 'h2', 'h3'])
  for (const host of hosts) for (let n = 0; n < 2; n += 1) host.passwords.failed('ann@example.com')
  for (const host of hosts) t.equal(host.passwords.waitMs('ann@example.com'), 0, 'of each host alone')
  settle()
  for (const host of hosts) {
    t.ok(host.passwords.waitMs('ann@example.com') > 0, 'six in all')
    t.equal(host.passwords.waitMs('bob@example.com'), 0, 'of one account')
    t.equal(host.tokens.waitMs('ann@example.com'), 0, 'and one kind')
  }
  hosts[1]?.passwords.succeeded('ann@example.com')
  settle()
  for (const host of hosts)
    t.equal(host.passwords.waitMs('ann@example.com'), 0, 'whoever gets in is forgiven')
})

t.test('guesses spread over hosts wait as long as those at one', async (t) => {
  const { clock, hosts, settle } = openHosts(['h1', 'h2', 'h3'])
  const alone = createAttempts(() => clock.now())
  for (let n = 0; n < 12; n += 1) {
    hosts[n % 3]?.passwords.failed('ann@example.com')
    alone.failed('ann@example.com')
    settle()
  }
  const waits = hosts.map((host) => host.passwords.waitMs('ann@example.com'))
  for (const waitMs of waits) t.ok(waitMs >= alone.waitMs('ann@example.com') - 1_000, `${waitMs} ms`)
})

t.test('a host that has just started learns of what there was from its first failure on', async (t) => {
  const { hosts, open, settle, messages } = openHosts(['h1', 'h2'])
  for (let n = 0; n < 8; n += 1) hosts[0]?.passwords.failed('ann@example.com')
  settle()
  const fresh = open('h3')
  t.equal(fresh.passwords.waitMs('ann@example.com'), 0)
  fresh.passwords.failed('ann@example.com')
  settle()
  t.ok(fresh.passwords.waitMs('ann@example.com') > 1_000)
  const said = messages.length
  settle()
  t.equal(messages.length, said, 'and then nobody has anything to say')
})

t.test('a flood of guesses is a bounded message now and then, and says nobody’s address', async (t) => {
  const { hosts, settle, messages, sent, clock } = openHosts(['h1', 'h2'])
  for (let n = 0; n < 20_000; n += 1) hosts[0]?.passwords.failed(`user-${n}@example.com`)
  for (let n = 0; n < 5_000; n += 1) hosts[0]?.passwords.failed('ann@example.com')
  clock.step(Infinity)
  t.notMatch(Buffer.from(sent[0]?.body ?? []).toString(), 'example.com')
  settle()
  t.equal(messages.length, 1)
  t.ok((messages[0] ?? 0) < 16_384, `${messages[0]} bytes`)
})

t.test('who is no control host, or talks nonsense, is not heard', async (t) => {
  const { hosts, say } = openHosts(['h1'])
  const sum = 'a'.repeat(24)
  say('guesses-passwords', JSON.stringify([[sum, 99, 99]]), 'dyno-host')
  for (const text of ['', '{', '[]', '[[1]]', '[["x",1]]', `[["${'x'.repeat(99)}",1,1]]`, 'null'])
    say('guesses-passwords', text, 'h2')
  t.equal(hosts[0]?.passwords.waitMs('ann@example.com'), 0)
  hosts[0]?.close()
  say('guesses-passwords', JSON.stringify([[sum, 1, 1]]), 'h2')
})
