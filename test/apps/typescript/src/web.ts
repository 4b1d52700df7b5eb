/** Compiled by its build script: what runs is dist/web.js. */
import { createServer } from 'node:http'

type Word = 'compiled' | 'not compiled'
const word: Word = import.meta.filename.endsWith('dist/web.js') ? 'compiled' : 'not compiled'
createServer((_request, response) => response.end(`${word}\n`)).listen(process.env['PORT'])
