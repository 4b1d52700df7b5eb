/** The cases of test/proxy/cases through the engine alone. */
import t from 'tap'
import { checkExchange } from '../kit/check-exchange.ts'
import { playScript } from '../kit/script.ts'
import { engineStage } from '../kit/stage.ts'
import { everyExchange, everyScript } from './cases/every.ts'

t.setTimeout(300_000)

/** Longer texts are not sent byte by byte: their cases are about length. */
const shortBytesMax = 2000
const pieceBytes = 97

t.test('every exchange comes out as the list says, in one piece and byte by byte', async (t) => {
  const stage = await engineStage(t)
  for (const exchange of everyExchange) {
    await checkExchange(t, stage, exchange)
    await checkExchange(t, stage, exchange, exchange.send.length > shortBytesMax ? pieceBytes : 1)
  }
})

t.test('every script is played to its end', async (t) => {
  const stage = await engineStage(t)
  for (const script of everyScript) await playScript(t, stage, script)
})
