/**
 * The checker of the logs, held against logs that lose, double, invent and disorder lines: each is found, and
 * who lost how many is said.
 */
import t from 'tap'
import { checkDrain, checkLog, lineMark, lossIn, type Source } from '../../scripts/sim/logs-check.ts'

const source = (name: string, said: number, more: Partial<Source> = {}): Source => ({
  name,
  said,
  held: 0,
  ...more,
})
const lines = (name: string, ...numbers: readonly number[]): readonly string[] =>
  numbers.map((n) => `app[web.1]: ${lineMark(name, n)}`)
const since = 'since 2023-11-14T22:13:20.000000+00:00.'
const found = (sources: readonly Source[], kept: readonly string[], undone = 0): readonly string[] =>
  checkLog(sources, kept, undone).violations

t.test('the words on lost lines are read as they are written', async (t) => {
  t.same(lossIn(`app[log-shuttle]: Error L12: 3 messages dropped ${since}`), { code: 'L12', count: 3 })
  t.same(lossIn(`heroku[logplex]: Error L13: 40 messages lost ${since}`), { code: 'L13', count: 40 })
  const overflow = 'Error L10 (output buffer overflow): 7 messages dropped'
  t.same(lossIn(`heroku[logplex]: ${overflow} ${since}`), { code: 'L10', count: 7 })
  t.equal(lossIn('Error R14 (Memory quota exceeded)'), undefined)
  t.equal(lossIn("Error L10 (output buffer overflow): drain 'd.1' dropped 7 messages"), undefined)
})

t.test('a log that has each line once or says how many it lacks is whole', async (t) => {
  const [a, b] = [source('a', 3), source('b', 2)]
  t.same(found([a, b], [...lines('a', 0, 1), ...lines('b', 0, 1), ...lines('a', 2)]), [])
  const dropped = `Error L12: 2 messages dropped ${since}`
  t.match(checkLog([a], [dropped, ...lines('a', 2)], 0), { violations: [], missing: 2, reported: 2 })
  const died = source('a', 3, { held: 2 })
  t.same(found([died], lines('a', 0)), [], 'it had them in memory')
  t.same(found([a], lines('a', 0), 2), [], 'the store was undone')
})

t.test('lines that are gone without a word are found, and whose they are', async (t) => {
  const [a, b] = [source('a', 3), source('b', 2)]
  t.match(found([a, b], lines('b', 0)), [
    /^4 lines are missing, 0 are told, 0 excused \(a lacks 3.*b lacks 1/,
  ])
  t.match(found([a], [`Error L12: 1 messages dropped ${since}`, ...lines('a', 2)]), [
    /^2 lines are missing, 1/,
  ])
  t.match(found([a], [`Error L12: 2 messages dropped ${since}`, ...lines('a', 1, 2)]), [/^2 lines are told/])
  t.match(found([source('a', 4, { held: 2 })], lines('a', 0)), [/^3 lines are missing/], 'more than it had')
  t.match(found([source('a', 4)], lines('a', 0, 1), 1), [/^2 lines are missing/])
})

t.test('lines that come twice, out of order, or of nobody are found', async (t) => {
  t.match(found([source('a', 2)], lines('a', 0, 1, 1)), ['a: 1 lines are there twice'])
  t.match(found([source('a', 3)], lines('a', 0, 1, 0, 1, 2)), [/2 lines are there twice/])
  t.match(found([source('a', 2)], lines('a', 1, 0)), ['a: out of order'])
  t.match(found([source('a', 1)], lines('a', 0, 7)), [/1 lines that it never said/])
  t.match(found([source('a', 1)], [...lines('a', 0), ...lines('z', 0)]), [/a line of nobody/])
})

t.test('what a receiver lacks, and was not told of, is found', async (t) => {
  const kept = [...lines('a', 0, 1, 2), `heroku[logplex]: Error L14 (certificate validation): error="x"`]
  const frame = (id: string, ...texts: readonly string[]) => ({ id, texts })
  const [zero, one, two] = [0, 1, 2].map((n) => lineMark('a', n)) as [string, string, string]
  const lost = `Error L10 (output buffer overflow): 1 messages dropped ${since}`
  const more = `Error L10 (output buffer overflow): 2 messages dropped ${since}`
  t.same(checkDrain(kept, [frame('1', zero, one), frame('1', zero, one), frame('2', two)], false), [])
  t.same(checkDrain(kept, [frame('1', zero), frame('2', lost, two)], false), [])
  t.match(checkDrain(kept, [frame('1', zero), frame('2', two)], false), [/lacks 1 lines, 0 were told/])
  t.match(checkDrain(kept, [frame('1', zero, one, two), frame('2', more)], false), [/lacks 0 lines, 2 were/])
  const again = [frame('1', zero, one), frame('2', one, two)]
  t.match(checkDrain(kept, again, false), ['the drain got 1 lines twice'])
  t.same(checkDrain(kept, again, true), [], 'its owner had died')
  t.match(checkDrain(kept, [frame('1', zero, one, two, 'x')], true), [/what is not there: x/])
  t.match(checkDrain(kept, [frame('1', zero, one), frame('1', two)], false), [/not the same/, /lacks 1/])
})
