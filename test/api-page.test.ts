/** The page of the API and the client's contract are what the endpoints say: nobody wrote them by hand. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { typeText } from '../scripts/api/type-text.ts'
import { is } from '../src/runtime/schema.ts'
import { machineEnv, run } from './kit/run.ts'

const root = join(import.meta.dirname, '..')
const written = [
  'actors/api/endpoints.md',
  'actors/api/answers/heroku.json',
  'src/client/answers.ts',
  'src/client/calls-first.ts',
  'src/client/calls-second.ts',
  'src/client/errors.ts',
  'src/client/routes.ts',
]

t.test('what is written of the API is what its endpoints are: npm run api-page', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'api-page-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const script = join(root, 'scripts/api-page.ts')
  const ran = await run([process.execPath, script, folder], { env: machineEnv() })
  t.match(ran, { code: 0 }, ran.stderr)
  const answers = readdirSync(join(folder, 'src/client/answers'))
  t.strictSame(readdirSync(join(root, 'src/client/answers')), answers, 'a file for each answer')
  for (const path of [...written, ...answers.map((name) => `src/client/answers/${name}`)])
    t.ok(readFileSync(join(root, path), 'utf8') === readFileSync(join(folder, path), 'utf8'), path)
})

t.test('a schema is written as the type that it stands for', async (t) => {
  const shape = is.obj({
    name: is.str,
    'x-y': is.opt(is.orNull(is.int)),
    level: is.oneOf('notify', 'sync'),
    env: is.map(is.str),
    all: is.arr(is.union(is.str, is.bool)),
    any: is.json,
    // As draft 4 says it.
    since: { type: ['string', 'null'], format: 'date-time' } as unknown as typeof is.json,
    stage: { type: ['string'], enum: ['test', null] } as unknown as typeof is.json,
  })
  t.equal(
    typeText(shape),
    "{ readonly name: string; readonly 'x-y'?: number | null; readonly level: 'notify' | 'sync'; " +
      'readonly env: Readonly<Record<string, string>>; readonly all: readonly (string | boolean)[]; ' +
      "readonly any: unknown; readonly since: string | null; readonly stage: 'test' | null }",
  )
})
