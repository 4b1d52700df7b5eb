/** Texts that no process can be given, or that are none, are refused where they come in. */
import t from 'tap'
import { oneKey } from '../../actors/effects/perform/seal.ts'
import { createVault } from '../../actors/effects/perform/vault.ts'
import { parseProcfile } from '../../src/slug/procfile.ts'
import { deployed, openApi, apiToken } from '../kit/api.ts'
import { memoryStore } from '../kit/memory-store.ts'
import { perform } from '../kit/perform.ts'

t.test('a config var with a NUL byte is refused: no dyno of the app would start with it', async (t) => {
  const vault = createVault(memoryStore(), oneKey(Buffer.alloc(32, 1)))
  const seal = (patch: Readonly<Record<string, string>>) =>
    perform(vault.effects, 'vault.seal', { appId: 'app', baseId: '', patch })
  await t.rejects(seal({ A: 'x\0y' }), {
    code: 'invalid_params',
    message: 'Config var A is invalid: it holds a NUL byte',
  })
  t.match(await seal({ A: 'x\ny\t' }), { changed: true })
})

t.test('a run is of a command, an environment, a type and a life that there can be', async (t) => {
  const opened = await openApi(t)
  await deployed(opened, 'shop')
  const run = (body: object) => opened.http('POST', '/apps/shop/dynos', { command: 'true', ...body })
  for (const [body, message] of [
    [{ command: 'echo \0' }, 'Command must not hold a NUL byte.'],
    [{ env: { X: 'a\0b' } }, 'env: "X" must not hold a NUL byte.'],
    [{ env: { '': 'a' } }, 'env: "" is no name of a variable.'],
    [{ env: { 'A=B': 'a' } }, 'env: "A=B" is no name of a variable.'],
    [{ type: 'we b' }, 'type: "we b" must be 1 to 128 letters, digits, - and _.'],
    [{ type: 'web.1' }, 'type: "web.1" must be 1 to 128 letters, digits, - and _.'],
    [{ time_to_live: 0 }, 'time_to_live must be at least 1 second.'],
  ] as const)
    t.match(await run(body), { status: 422, body: { id: 'invalid_params', message } }, message)
  const inside = await opened.http('POST', '/apps/shop/dynos/web.1', { command: 'a\0' })
  t.match(inside, { status: 422, body: { message: /NUL/ } })
  const good = { env: { TERM: 'xterm', COLUMNS: 80, 'npm.config': '' }, type: 'worker', time_to_live: 1 }
  t.equal((await run(good)).status, 201)
  const slug = { process_types: { web: 'a\0b' } }
  t.match(await opened.http('POST', '/apps/shop/slugs', slug), { status: 422, body: { message: /NUL/ } })
  t.strictSame(parseProcfile('web: a\0b\nworker: c'), { worker: 'c' })
})

t.test('what is no text is refused, and not stored as another one', async (t) => {
  const { http, api, call } = await openApi(t)
  await http('POST', '/apps', { name: 'shop' })
  const url = `http://127.0.0.1:${api.port}/apps/shop/config-vars`
  const patch = async (body: Uint8Array | string) => {
    const headers = { authorization: `Bearer ${apiToken}` }
    const answer = await fetch(url, { method: 'PATCH', headers, body })
    return { status: answer.status, body: await answer.json() }
  }
  const latin1 = Buffer.from('{"A":"caf\u00e9"}', 'latin1')
  t.match(await patch(latin1), { status: 400, body: { id: 'bad_request', message: /not UTF-8/ } })
  for (const half of ['{"A":"\\ud800"}', '{"A":"\\udc00\\ud800"}', '{"\\uD83D":"x"}'])
    t.match(await patch(half), { status: 400, body: { id: 'bad_request', message: /surrogate/ } }, half)
  t.match(await patch('{"A":"\\ud83d\\ude00"}'), { status: 200, body: { A: '😀' } })
  t.match(await patch('\ufeff{"A":"café"}'), { status: 200, body: { A: 'café' } }, 'a byte order mark')
  t.match(await call('config-vars.update', '{"app":"shop","A":"\\ud800"}'), { error: { code: 400 } })
})
