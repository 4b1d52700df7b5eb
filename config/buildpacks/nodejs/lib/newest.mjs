// Prints the newest version of a list that satisfies a range (nothing when none does).
// usage: newest.mjs PLATFORM_DIR RANGE < versions (JSON list, or words)
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const [platform, range] = process.argv.slice(2)
const semver = createRequire(join(platform, 'lib/node_modules/npm/package.json'))('semver')
const versions = (await text(process.stdin)).match(/\d+\.\d+\.\d+[\w.+-]*/g) ?? []
process.stdout.write(`${semver.maxSatisfying(versions, range) ?? ''}\n`)
