/**
 * Session affinity over real sockets: clients come back to the target that answered them while it is there,
 * by a cookie that nobody else can make; and the app's own error page.
 */
import t from 'tap'
import { Preference } from '../../src/proxy/affinity.ts'
import { get, ok, type Peer, routeTo, startProxy, startTarget, upstream, type World } from '../kit/proxy.ts'
import { deadPort } from '../kit/no-answer.ts'

const key = Buffer.from('of one app')
const atMs = 1_700_000_000_000
const cookieOf = (line: string): string => /^Set-Cookie: ([^;]+);/m.exec(line)?.[1] ?? ''

const startTwo = async (
  t: Parameters<typeof startProxy>[0],
  affinity: boolean,
): Promise<{ world: World; used: () => string[] }> => {
  const answer = (peer: Peer): void => void peer.socket.on('data', () => peer.send(ok()))
  const [one, two] = [await startTarget(answer), await startTarget(answer)]
  t.teardown(one.close)
  t.teardown(two.close)
  const targets = [upstream(one.port, 'web.1'), upstream(two.port, 'web.2')]
  const world = await startProxy(t, () =>
    routeTo(one, { targets, keepAlive: true, ...(affinity && { affinity: { key } }) }),
  )
  return { world, used: () => world.records.map(({ target }) => target) }
}

t.test('a client with our cookie goes back to its target, one without gets one', async (t) => {
  const { world, used } = await startTwo(t, true)
  const first = await world.client(get()).sees('hi')
  t.match(
    first,
    /\nSet-Cookie: heroku-session-affinity=[\w.-]+; Version=1; Expires=.+ GMT; Max-Age=86400; Path=\/; HttpOnly\r/,
  )
  t.match(first, 'Content-Length: 2\r\n\r\nhi')
  const second = new Preference({ key }, [], atMs).lineFor('web.2', false)
  const visit = async (cookie: string, more = '') => {
    const seen = await world.client(get('/', `Cookie: a=b; ${cookie}; c=d\r\n${more}`)).sees('hi')
    return seen.includes('Set-Cookie')
  }
  t.notOk(await visit(cookieOf(second)), 'nothing new to be said')
  t.notOk(await visit('x=y', `Cookie: ${cookieOf(second)}\r\n`), 'in whichever line it is')
  t.notOk(await visit(`heroku-session-affinity=forged; ${cookieOf(second)}`), 'beside a wrong one')
  t.strictSame(used(), ['web.1', 'web.2', 'web.2', 'web.2'])
  const foreign = new Preference({ key: Buffer.from('other') }, [], atMs).lineFor('web.2', false)
  for (const bad of [foreign, second.replace('.', 'x.'), 'heroku-session-affinity=', second.slice(0, 60)]) {
    t.ok(await visit(cookieOf(bad)), 'a new one instead')
  }
  t.strictSame(used().slice(4), ['web.1', 'web.1', 'web.1', 'web.1'], 'and no preference')
})

t.test('without the feature there is neither cookie nor preference', async (t) => {
  const { world, used } = await startTwo(t, false)
  const line = new Preference({ key }, [], atMs).lineFor('web.2', false)
  t.notMatch(await world.client(get('/', `Cookie: ${cookieOf(line)}\r\n`)).sees('hi'), 'Set-Cookie')
  t.strictSame(used(), ['web.1'])
})

t.test('when its target is gone or refuses, another takes over and the cookie says so', async (t) => {
  const live = await startTarget((peer) => peer.send(ok()))
  t.teardown(live.close)
  const targets = [upstream(await deadPort(), 'web.1'), upstream(live.port, 'web.2')]
  const world = await startProxy(t, () => routeTo(live, { targets, affinity: { key } }))
  for (const gone of ['web.1', 'web.9']) {
    const line = new Preference({ key }, [], atMs).lineFor(gone, false)
    const seen = await world.client(get('/', `Cookie: ${cookieOf(line)}\r\n`)).sees('hi')
    t.strictSame(new Preference({ key }, [cookieOf(seen)], atMs).ids, ['web.2', gone])
  }
})

t.test('a preference is bounded, renewed at half its age, and ends with it', async (t) => {
  let line = ''
  for (let dyno = 1; dyno <= 6; dyno += 1)
    line = new Preference({ key }, [cookieOf(line)], atMs).lineFor(`web.${dyno}`, true)
  t.match(line, /; HttpOnly; Secure\r\n$/)
  const later = (hours: number) => new Preference({ key }, [cookieOf(line)], atMs + hours * 3_600_000)
  t.strictSame(later(0).ids, ['web.6', 'web.5', 'web.4', 'web.3'])
  t.equal(later(11).lineFor('web.6', true), '')
  t.match(later(13).lineFor('web.6', true), 'Set-Cookie')
  t.strictSame(later(25).ids, [])
})

t.test("the app's error page is framed for errors of the server's side, and only those", async (t) => {
  const target = await startTarget((peer) => void peer.socket.end())
  t.teardown(target.close)
  const world = await startProxy(t, () => routeTo(target, { errorPageUrl: '//pages.example/oops.html' }))
  t.match(
    await world.client(get()).sees('</html>'),
    /^HTTP\/1.1 503 .*<iframe src="\/\/pages.example\/oops.html" title="Application error"><\/iframe>/s,
  )
  t.match(await world.client(get('/', 'Accept: application/json\r\n')).sees('}'), '"code":"H13"')
  t.notMatch(await world.client(get('/', 'Expect: magic\r\n')).sees('</html>'), 'pages.example')
})
