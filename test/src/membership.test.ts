/**
 * The membership: who is in the cluster, who lives, and who may say so. Whole clusters over a bus that
 * breaks, in virtual time; what is promised of leases is watched in all of them (test/kit/membership-lab.ts).
 */
import t from 'tap'
import { timesDefault } from '../../src/membership/times.ts'
import { membershipLab, type MembershipLab } from '../kit/membership-lab.ts'
import { trouble } from '../kit/membership-trouble.ts'

t.setTimeout(300_000)

const { beatMs, suspectMs, fenceMs, leaseMs } = timesDefault
const threeServers = ['na', 'nb', 'nc']

/** Hosts that have just found each other. */
const clusterOf = (names: string, lab = membershipLab(1)): MembershipLab => {
  for (const name of names) lab.start(name)
  const foundMs = lab.until(() => isWell(lab, names), 5_000)
  t.ok(foundMs !== undefined, `${names} found each other`)
  return lab
}
const isWell = (lab: MembershipLab, names: string): boolean => {
  const views = Array.from(names).map((name) => lab.view(name))
  return views.every(
    ({ number, leader, members }) =>
      number === views[0]!.number &&
      leader === views[0]!.leader &&
      Array.from(names).every((name) => members.some((one) => one.name === name && one.state === 'up')),
  )
}
/** @returns ms until that host's view says so */
const sees = (lab: MembershipLab, by: string, name: string, state: string, withinMs = 30_000) =>
  lab.until(() => lab.state(by, name) === state, withinMs)

await t.test(
  'a host that is alone leads itself within two beats, and needs nobody to hold its lease',
  (t) => {
    const lab = membershipLab(1)
    lab.start('a')
    const upMs = sees(lab, 'a', 'a', 'up', 1_000)
    t.ok(upMs !== undefined && upMs <= 2.5 * beatMs, `${upMs} ms`)
    t.same(lab.members('a').directory.view().hosts, [{ name: 'a', roles: ['control', 'dyno'] }])
    lab.killServer('n1')
    lab.run(60_000)
    t.equal(lab.isFenced('a'), false, 'nobody is there who could end it')
    t.equal(lab.state('a', 'a'), 'up', 'and the last view stands')
    t.same(lab.breaches, [])
    t.end()
  },
)

await t.test(
  'hosts that start together follow one leader and one view, and a late one joins at once',
  (t) => {
    const lab = clusterOf('abc')
    t.equal(lab.view('b').leader, lab.view('c').leader)
    lab.start('d', ['dyno'])
    const joinedMs = sees(lab, 'd', 'd', 'up', 2_000)
    t.ok(joinedMs !== undefined && joinedMs < 2 * beatMs, `${joinedMs} ms`)
    t.same(
      lab
        .members('d')
        .directory.view()
        .hosts.map(({ name }) => name),
      ['a', 'b', 'c', 'd'],
    )
    const { address, labels, state } = lab.view('a').members.find(({ name }) => name === 'd')!
    t.match({ address, labels, state }, { address: '10.0.0.d', labels: { zone: 'd' }, state: 'up' })
    t.end()
  },
)

await t.test('a silent host is a suspect after a second, dead after its lease, and back when it is', (t) => {
  const lab = clusterOf('abc', membershipLab(2, { hints: 0 }))
  lab.run(10_000)
  lab.kill('c')
  const suspectedMs = sees(lab, 'b', 'c', 'suspect')!
  t.ok(suspectedMs > suspectMs - beatMs && suspectedMs < suspectMs + 2 * beatMs, `${suspectedMs} ms`)
  t.same(lab.members('b').directory.view().hosts.length, 2)
  const deadMs = suspectedMs + sees(lab, 'b', 'c', 'dead')!
  t.ok(deadMs > leaseMs - beatMs && deadMs < leaseMs + 3 * beatMs, `${deadMs} ms`)
  lab.start('c')
  t.ok(sees(lab, 'b', 'c', 'up', 1_000) !== undefined)
  t.end()
})

await t.test('a disconnect that a probe confirms makes a suspect at once; one that does not, none', (t) => {
  const lab = clusterOf('abcd')
  lab.run(10_000)
  lab.kill('d')
  const suspectedMs = sees(lab, 'b', 'd', 'suspect')!
  t.ok(suspectedMs < beatMs, `${suspectedMs} ms`)
  const { number } = lab.view('b')
  for (const by of ['a', 'b']) lab.members(by).disconnected('c')
  lab.run(2_000)
  t.equal(lab.view('b').number, number, 'c is there, and nothing is said of it')
  t.end()
})

await t.test('when the leader dies the next one leads, counts on, and gives everybody a whole lease', (t) => {
  const lab = clusterOf('abcde', membershipLab(3, { hints: 0 }))
  const { leader, number } = lab.view('e')
  const [other, silent] = ['a', 'b', 'c', 'd', 'e'].filter((name) => name !== leader) as [string, string]
  lab.kill(silent)
  lab.run(8_000)
  lab.kill(leader)
  const ledMs = lab.until(() => lab.view(other).leader !== leader, 5_000)!
  t.ok(ledMs < suspectMs + 3 * beatMs, `${ledMs} ms`)
  t.ok(lab.view(other).number > number)
  t.equal(lab.state(other, leader), 'suspect')
  t.equal(lab.state(other, silent), 'suspect')
  const deadMs = sees(lab, other, silent, 'dead')!
  t.ok(deadMs > leaseMs - beatMs, `its silence of before does not count: ${deadMs} ms`)
  lab.start(leader)
  lab.run(3_000)
  t.not(lab.view(other).leader, leader, 'who leads goes on leading')
  t.same(lab.breaches, [])
  t.end()
})

await t.test('a killed leader is followed at once when the bus says that it is gone', (t) => {
  const lab = clusterOf('abc')
  lab.run(5_000)
  const { leader } = lab.view('b')
  const other = ['a', 'b', 'c'].find((name) => name !== leader)!
  lab.kill(leader)
  const suspectedMs = sees(lab, other, leader, 'suspect')!
  t.ok(suspectedMs < 1.5 * beatMs, `${suspectedMs} ms`)
  t.end()
})

await t.test('a leader that stood still declares nobody dead, and follows who leads by then', (t) => {
  const lab = clusterOf('abc')
  const { leader } = lab.view('b')
  const others = ['a', 'b', 'c'].filter((name) => name !== leader)
  lab.freeze(leader)
  t.ok(sees(lab, others[0]!, leader, 'dead') !== undefined)
  lab.run(30_000)
  lab.thaw(leader)
  t.ok(lab.until(() => isWell(lab, 'abc'), 3_000) !== undefined)
  t.not(lab.view('a').leader, leader)
  t.equal(lab.deaths(), 1, 'its own')
  t.same(lab.breaches, [])
  t.end()
})

await t.test(
  'a host that hears nothing, or is not heard, lets go long before its lease ends elsewhere',
  (t) => {
    for (const cut of [
      { out: true, in: false },
      { out: false, in: true },
      { out: true, in: true },
    ]) {
      const lab = clusterOf('abc')
      const { leader } = lab.view('a')
      const victim = ['a', 'b', 'c'].find((name) => name !== leader)!
      lab.link(victim, cut)
      const fencedMs = lab.until(() => lab.isFenced(victim), 20_000)!
      t.ok(fencedMs > fenceMs - 3 * beatMs && fencedMs < fenceMs + 3 * beatMs, `${fencedMs} ms`)
      t.equal(lab.state(leader, victim), 'suspect')
      t.ok(sees(lab, leader, victim, 'dead') !== undefined)
      lab.heal()
      t.ok(lab.until(() => isWell(lab, 'abc') && !lab.isFenced(victim), 5_000) !== undefined)
      t.same(lab.breaches, [])
    }
    t.end()
  },
)

await t.test('when most hosts fall silent at once nobody is declared dead, until they are back', (t) => {
  const lab = clusterOf('abcdefg', membershipLab(4, { hints: 0 }))
  const lost = ['d', 'e', 'f', 'g']
  for (const name of lost) lab.freeze(name)
  t.ok(lab.until(() => lab.view('a').braked, 3_000) !== undefined)
  t.ok(lab.until(() => lab.state('a', 'g') === 'suspect', 3_000) !== undefined)
  lab.run(120_000)
  t.equal(lab.deaths(), 0)
  lab.thaw('d')
  t.ok(lab.until(() => !lab.view('a').braked, 3_000) !== undefined, 'fewer than half are silent now')
  lab.run(leaseMs - 2_000)
  t.equal(lab.deaths(), 0, 'those still silent have a whole lease from then on')
  t.ok(sees(lab, 'a', 'g', 'dead') !== undefined)
  for (const name of ['e', 'f', 'g']) lab.thaw(name)
  t.ok(lab.until(() => isWell(lab, 'abcdefg'), 3_000) !== undefined)
  t.end()
})

await t.test('an operator ends the brake by taking out who will not come back', (t) => {
  const lab = clusterOf('abcd')
  for (const name of ['b', 'c', 'd']) lab.kill(name)
  t.ok(lab.until(() => lab.view('a').braked, 5_000) !== undefined)
  lab.run(30_000)
  t.equal(lab.deaths(), 0)
  lab.members('a').remove('c')
  lab.members('a').remove('d')
  t.ok(lab.until(() => !lab.view('a').braked, 3_000) !== undefined)
  t.same(
    lab.view('a').members.map(({ name }) => name),
    ['a', 'b'],
  )
  t.ok(sees(lab, 'a', 'b', 'dead') !== undefined)
  t.end()
})

await t.test('who is taken out while it lives is not heard any more, in any view', (t) => {
  const lab = clusterOf('abc')
  const { leader } = lab.view('a')
  const [by, out] = ['a', 'b', 'c'].filter((name) => name !== leader) as [string, string]
  lab.members(by).remove(out)
  t.ok(
    lab.until(() => lab.state(leader, out) === undefined && lab.state(by, out) === undefined, 2_000) !==
      undefined,
  )
  lab.run(10_000)
  t.equal(lab.state(leader, out), undefined)
  lab.kill(leader)
  t.ok(lab.until(() => lab.view(by).leader === by, 5_000) !== undefined)
  t.equal(lab.state(by, out), undefined, 'nor by the next leader')
  t.equal(lab.isFenced(out), true)
  t.end()
})

await t.test('who says goodbye has left at once, and a leader that does is followed at once', async (t) => {
  const lab = clusterOf('abc')
  const { leader } = lab.view('a')
  const [first, second] = ['a', 'b', 'c'].filter((name) => name !== leader) as [string, string]
  let said = false
  const goodbye = lab
    .members(second)
    .leave()
    .then(() => {
      said = true
    })
  const leftMs = sees(lab, first, second, 'left')!
  t.ok(leftMs < beatMs / 2, `${leftMs} ms`)
  lab.run(beatMs)
  await goodbye
  t.ok(said)
  void lab.members(leader).leave()
  const ledMs = lab.until(() => lab.view(first).leader === first, 2_000)!
  t.ok(ledMs < beatMs / 2, `${ledMs} ms`)
  t.equal(lab.state(first, leader), 'left')
  lab.kill(second)
  lab.start(second)
  t.ok(sees(lab, first, second, 'up', 1_000) !== undefined, 'its next life is welcome')
  t.end()
})

await t.test('of two observers on one server the one that still reaches it declares the other dead', (t) => {
  const lab = clusterOf('ab')
  lab.link('a', { out: true, in: true })
  t.ok(sees(lab, 'b', 'a', 'dead') !== undefined)
  t.equal(lab.view('b').leader, 'b')
  t.equal(lab.state('a', 'b'), 'up', 'the other judges nobody')
  t.ok(lab.isFenced('a'))
  t.same(lab.breaches, [])
  t.end()
})

await t.test('of a bus in two parts only the one with most servers judges the other', (t) => {
  for (const alone of ['a', 'b', 'c']) {
    const lab = clusterOf('abc', membershipLab(5, { servers: threeServers }))
    const others = ['a', 'b', 'c'].filter((name) => name !== alone)
    for (const other of others) lab.route(`n${alone}`, `n${other}`, true)
    t.ok(sees(lab, others[0]!, alone, 'dead') !== undefined)
    t.equal(lab.state(alone, others[0]!), 'up')
    t.ok(others.includes(lab.view(others[1]!).leader))
    lab.heal()
    t.ok(lab.until(() => isWell(lab, 'abc'), 5_000) !== undefined)
    t.same(lab.breaches, [])
  }
  t.end()
})

await t.test('two observers that do not hear each other learn who leads from the hosts between them', (t) => {
  const lab = clusterOf('abcd', membershipLab(6, { servers: threeServers }))
  lab.route('na', 'nb', true)
  lab.run(5_000)
  t.equal(lab.view('c').leader, lab.view('d').leader)
  const { leader } = lab.view('c')
  const lone = leader === 'a' ? 'b' : 'a'
  if (leader === 'c') {
    t.equal(lab.state('c', 'a'), 'up', 'it hears both')
    t.equal(lab.state('c', 'b'), 'up')
  } else {
    t.ok(sees(lab, leader, lone, 'dead') !== undefined)
    t.not(lab.view(lone).leader, lone)
  }
  t.same(lab.breaches, [])
  t.end()
})

await t.test(
  'with every server away nobody is declared anything, and all is as it was when they are back',
  (t) => {
    const lab = clusterOf('abcd', membershipLab(7, { servers: threeServers }))
    const before = lab.view('d')
    for (const server of threeServers) lab.killServer(server)
    lab.run(60_000)
    for (const name of 'abcd') t.equal(lab.view(name).number, before.number)
    t.ok(
      Array.from('abcd').every((name) => lab.isFenced(name)),
      'what must not run twice is stopped',
    )
    lab.heal()
    const isAsItWas = (): boolean =>
      isWell(lab, 'abcd') && Array.from('abcd').every((name) => !lab.isFenced(name))
    t.ok(lab.until(isAsItWas, 4_000) !== undefined)
    t.equal(lab.deaths(), 0)
    t.end()
  },
)

await t.test('what a host says of itself anew is in everybody’s view at once', (t) => {
  const lab = clusterOf('abc')
  lab.members('c').change({ draining: true, labels: { zone: 'x' } })
  const seenMs = sees(lab, 'a', 'c', 'draining')!
  t.ok(seenMs < beatMs / 2, `${seenMs} ms`)
  t.same(lab.view('a').members.find(({ name }) => name === 'c')!.labels, { zone: 'x' })
  t.equal(lab.members('a').directory.view().hosts.length, 3, 'it still owns what it owns')
  lab.members('c').change({ draining: false })
  t.ok(sees(lab, 'a', 'c', 'up', 1_000) !== undefined)
  t.end()
})

await t.test(
  'who only follows hears every view, and is not left behind when all observers begin anew',
  (t) => {
    const lab = clusterOf('abc')
    const followed = lab.follow('r')
    let changes = 0
    followed.onChange(() => {
      changes += 1
    })
    t.ok(lab.until(() => followed.view().number === lab.view('a').number, 1_000) !== undefined)
    for (let i = 0; i < 5; i++) {
      lab.kill('c')
      lab.run(3_000)
      lab.start('c')
      lab.run(2_000)
    }
    t.same(followed.view(), lab.view('a'))
    t.ok(changes >= 5)
    const { number } = followed.view()
    for (const name of 'abc') lab.kill(name)
    lab.run(1_000)
    for (const name of 'abc') lab.start(name)
    t.ok(
      lab.until(() => isWell(lab, 'abc') && followed.view().number === lab.view('a').number, 5_000) !==
        undefined,
    )
    t.ok(followed.view().number > number, 'the new numbers begin above the old ones')
    t.end()
  },
)

await t.test('a life whose clock was set back is heard all the same', (t) => {
  const lab = clusterOf('abc')
  lab.kill('c')
  lab.run(20_000)
  lab.start('c', ['control', 'dyno'], 0)
  t.ok(sees(lab, 'a', 'c', 'up', 3_000) !== undefined)
  t.equal(lab.view('a').members.find(({ name }) => name === 'c')!.incarnation, 2)
  t.end()
})

await t.test('sixty seeds of trouble break no promise, and all is well soon after', (t) => {
  let deaths = 0
  for (let seed = 1; seed <= 60; seed++) {
    const outcome = trouble(seed)
    deaths += outcome.deaths
    t.same(outcome.breaches, [], `seed ${seed}: ${outcome.what}`)
  }
  t.ok(deaths > 30, 'hosts did die')
  t.end()
})

await t.test(
  'a host on record that is never heard is joining for a whole lease and then dead, and welcome later',
  (t) => {
    const lab = clusterOf('ab')
    const info = { name: 'c', incarnation: 0, roles: ['control', 'dyno'], address: '10.0.0.c', labels: {} }
    const record = { ...info, version: '', protocol: 1, draining: false, server: '' }
    for (const name of 'ab') lab.members(name).known([record])
    const leader = lab.view('a').leader
    lab.run(leaseMs - suspectMs)
    t.equal(lab.state(leader, 'c'), 'joining', 'it may only be slower')
    const deadMs = sees(lab, 'a', 'c', 'dead', 2 * suspectMs)
    t.ok(deadMs !== undefined, 'its lease is over')
    t.equal(lab.view('a').braked, false)
    lab.start('c')
    t.ok(sees(lab, 'b', 'c', 'up', 2_000) !== undefined)
    lab.members('a').known([record])
    lab.run(1_000)
    t.equal(lab.state('a', 'c'), 'up', 'what is on record is older than what is heard')
    t.same(lab.breaches, [])
    t.end()
  },
)
