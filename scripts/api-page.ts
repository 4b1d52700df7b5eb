/** Writes the page of all endpoints and the client's contract anew: `npm run api-page`. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resources } from '../actors/api/answers.ts'
import { own } from '../actors/api/answers/own.ts'
import { served } from '../actors/api/resources/index.ts'
import { herokuShapes } from './api/heroku-shapes.ts'
import { contractFiles, pageOf } from './api/pages.ts'

const root = process.argv[2] ?? join(import.meta.dirname, '..')
const client = join(root, 'src/client')
const page = join(root, 'actors/api/endpoints.md')
const answers = join(root, 'actors/api/answers')
for (const folder of [join(client, 'answers'), answers]) mkdirSync(folder, { recursive: true })
const heroku = herokuShapes(resources)
const shapes = { ...heroku, ...own }
writeFileSync(join(answers, 'heroku.json'), JSON.stringify(heroku))
writeFileSync(page, pageOf(served, shapes))
for (const [name, text] of contractFiles(served, shapes)) writeFileSync(join(client, name), text)
const config = join(import.meta.dirname, '../.oxfmtrc.json')
const oxfmt = join(import.meta.dirname, '../node_modules/.bin/oxfmt')
// By this very Node: the one that is found by name may be too old for it.
execFileSync(process.execPath, [oxfmt, '-c', config, page, client, answers], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
})
