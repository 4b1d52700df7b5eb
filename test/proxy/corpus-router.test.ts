/** The cases of test/proxy/cases through the router of a host as it runs. */
import t from 'tap'
import { checkExchange } from '../kit/check-exchange.ts'
import { playScript } from '../kit/script.ts'
import { routerStage } from '../kit/stage.ts'
import { everyExchange, everyScript } from './cases/every.ts'

t.setTimeout(240_000)

t.test('every exchange and every script comes out as the list says through real shards', async (t) => {
  const stage = await routerStage(t)
  for (const exchange of everyExchange) await checkExchange(t, stage, exchange)
  for (const script of everyScript) await playScript(t, stage, script)
})
