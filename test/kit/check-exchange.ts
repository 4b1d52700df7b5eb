/** An exchange played on a stage and held against what the list says of it. */
import type { Test } from 'tap'
import { answering, play, sightless, type Exchange } from './exchange.ts'
import type { Stage } from './stage.ts'

export const checkExchange = async (
  t: Test,
  stage: Stage,
  exchange: Exchange,
  pieceBytes = Infinity,
): Promise<void> => {
  const sight = sightless()
  const place = await stage.open({ ...exchange.place, onDyno: answering(exchange, sight) })
  try {
    const name = `${exchange.name}${pieceBytes === Infinity ? '' : `, ${pieceBytes} at a time`}`
    const got = await play(place, exchange, sight, pieceBytes)
    const { client, dyno } = exchange
    t.strictSame({ client: got.client, dyno: got.dyno }, { client, dyno }, name)
    if (exchange.connections !== undefined)
      t.equal(got.connections, exchange.connections, `${name}: connections to the dyno`)
    if (exchange.dynoSees !== undefined) t.match(got.dynoText, exchange.dynoSees, `${name}: dyno`)
    if (exchange.dynoSeesNot !== undefined) t.notMatch(got.dynoText, exchange.dynoSeesNot, `${name}: dyno`)
    if (exchange.clientSees !== undefined) t.match(got.clientText, exchange.clientSees, `${name}: client`)
    if (exchange.clientSeesNot !== undefined)
      t.notMatch(got.clientText, exchange.clientSeesNot, `${name}: client`)
    if (exchange.line !== undefined) t.ok(await place.line?.(exchange.line), `${name}: line`)
  } finally {
    await place.close()
  }
}
