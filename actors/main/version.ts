/** Version of the software, as package.json says it. */
import { readFileSync } from 'node:fs'

const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')

export const version: string = (JSON.parse(file) as { version: string }).version
