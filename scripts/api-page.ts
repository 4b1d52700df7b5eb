/** Writes the page of all endpoints and the client's contract anew: `npm run api-page`. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { offered } from '../actors/api/resources/index.ts'
import { contractFiles, pageOf } from './api/pages.ts'

const root = process.argv[2] ?? join(import.meta.dirname, '..')
const client = join(root, 'src/client')
const page = join(root, 'actors/api/endpoints.md')
for (const folder of [client, join(root, 'actors/api')]) mkdirSync(folder, { recursive: true })
writeFileSync(page, pageOf(offered))
for (const [name, text] of contractFiles(offered)) writeFileSync(join(client, name), text)
const config = join(import.meta.dirname, '../.oxfmtrc.json')
const oxfmt = join(import.meta.dirname, '../node_modules/.bin/oxfmt')
// By this very Node: the one that is found by name may be too old for it.
execFileSync(process.execPath, [oxfmt, '-c', config, page, client], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
})
