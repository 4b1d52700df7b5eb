/** Nothing on the lists of what a router has to be shown to do is left out. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { everyExchange, everyScript } from './cases/every.ts'
import { listElsewhere, series, vegurElsewhere, vegurPlayed, type Elsewhere } from './checklist.ts'

const cases = [...everyExchange, ...everyScript]

/** Why the place named does not hold such a test. */
const faultOf = ([file, title]: Elsewhere): string | null => {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  const titles = [...text.matchAll(/t\.test\(\s*(['`])(.*?)\1,/gs)].map(([, , found]) => found ?? '')
  return titles.some((found) => found.includes(title)) ? null : `${file} has no test "${title}"`
}

t.test("each of vegur's cases is played, or shown by a test that there is", async (t) => {
  const claimed = new Set(cases.flatMap(({ vegur = [] }) => vegur))
  const played = Object.entries(vegurPlayed).flatMap(([suite, names]) =>
    names.split(' ').map((name) => `${suite}/${name}`),
  )
  t.equal(
    new Set([...played, ...Object.keys(vegurElsewhere)]).size,
    played.length + Object.keys(vegurElsewhere).length,
  )
  t.strictSame(
    played.filter((name) => !claimed.has(name)),
    [],
    'no case stands for these',
  )
  t.strictSame(
    [...claimed].filter((name) => !played.includes(name)),
    [],
    'vegur has no such cases',
  )
  const places = Object.values(vegurElsewhere).filter((place) => place !== null)
  t.strictSame(
    places.map(faultOf).filter((fault) => fault !== null),
    [],
  )
})

t.test('each number of our own list is played, or shown by a test that there is', async (t) => {
  const numbers = Object.entries(series).flatMap(([letter, last]) =>
    Array.from({ length: last }, (_, at) => `${letter}${at + 1}`),
  )
  const played = new Set(cases.map(({ name }) => name.split(' ')[0] ?? ''))
  t.strictSame(
    numbers.filter((number) => !played.has(number) && listElsewhere[number] === undefined),
    [],
    'nothing shows these',
  )
  t.strictSame(
    Object.keys(listElsewhere).filter((number) => !numbers.includes(number)),
    [],
  )
  t.strictSame(
    Object.values(listElsewhere)
      .flat()
      .map(faultOf)
      .filter((fault) => fault !== null),
    [],
  )
})

t.test('no two cases have one name', async (t) => {
  const names = cases.map(({ name }) => name)
  t.strictSame(
    names.filter((name, at) => names.indexOf(name) !== at),
    [],
  )
})
