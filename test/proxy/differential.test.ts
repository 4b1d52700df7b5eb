/**
 * The exchanges of the corpus through nginx and HAProxy: where they do otherwise than this router is known,
 * case by case, with the reason (test/data/routers). A difference nobody explained fails, and so does an
 * explanation of none.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { answering, play, sightless } from '../kit/exchange.ts'
import { freePorts } from '../kit/ports.ts'
import { startTarget } from '../kit/proxy.ts'
import { placeBefore } from '../kit/stage.ts'
import { startWebServer, versionOf, type WebServer } from '../kit/web-servers.ts'
import { everyExchange } from './cases/every.ts'

t.setTimeout(300_000)

/** What comes of cases there, as `client | dyno`, under the reason why. */
type Difference = { readonly why: string; readonly cases: Readonly<Record<string, string>> }

const differencesOf = (kind: WebServer): readonly Difference[] =>
  JSON.parse(
    readFileSync(new URL(`../data/routers/${kind}.json`, import.meta.url), 'utf8'),
  ) as readonly Difference[]

/** The versions whose ways are written down: Debian's. */
const known: Readonly<Record<WebServer, string>> = { nginx: '1.22.', haproxy: '2.6.' }

/** In one line, without its runs of filling. */
const outcomeOf = ({ client, dyno }: { readonly client: string; readonly dyno: readonly string[] }): string =>
  `${client} | ${dyno.join(', ')}`.replaceAll(/(.)\1{60,}/g, '$1…')

for (const kind of ['nginx', 'haproxy'] as const satisfies readonly WebServer[]) {
  const version = versionOf(kind)
  const skip = version.startsWith(known[kind])
    ? false
    : `${kind} ${known[kind]} is wanted, here is ${version}`
  t.test(`what ${kind} does otherwise is known and explained`, { skip }, async (t) => {
    const ports = await freePorts(everyExchange.length)
    const plays = await Promise.all(
      everyExchange.map(async (exchange, at) => {
        const sight = sightless()
        return {
          exchange,
          sight,
          port: ports[at] as number,
          dyno: await startTarget(answering(exchange, sight)),
        }
      }),
    )
    await startWebServer(
      t,
      kind,
      plays.map(({ port, dyno }) => [port, dyno.port]),
    )
    const found: Record<string, string> = {}
    // All at once: some of them end in nothing, and each of those is waited for.
    await Promise.all(
      plays.map(async ({ exchange, sight, port, dyno }) => {
        const place = await placeBefore(port, dyno)
        const got = await play(place, exchange, sight)
        await place.close()
        const told = outcomeOf(got)
        if (told !== outcomeOf(exchange)) found[exchange.name] = told
      }),
    )
    const explained = Object.fromEntries(differencesOf(kind).flatMap(({ cases }) => Object.entries(cases)))
    t.strictSame(found, explained)
  })
}
