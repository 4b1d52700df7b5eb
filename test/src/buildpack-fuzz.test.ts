/**
 * What strangers write into a build, thrown at its readers: Procfiles, bin/release's YAML, registry names and
 * addresses. Whatever comes, the answer is a valid one or an error of the reader's own, and soon.
 */
import fc from 'fast-check'
import t from 'tap'
import { buildpackName, parseAddress } from '../../src/slug/buildpack.ts'
import { parseProcfile } from '../../src/slug/procfile.ts'
import { openRegistry } from '../../src/slug/registry.ts'
import { parseRelease } from '../../src/slug/release-yaml.ts'
import * as texts from '../../src/slug/texts.ts'

const type = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,20}$/)
const command = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/)
/** Text with what means something to the readers in it. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'web',
        ':',
        ' ',
        '\n',
        '\r\n',
        '#',
        '---\n',
        'addons:',
        '- ',
        '{',
        '}',
        '[',
        '&a ',
        '*a',
      ),
      fc.constantFrom('default_process_types:\n  ', 'config_vars:', '!!binary ', '? ', '<<: ', '"', '\uFEFF'),
      fc.string({ unit: 'binary', maxLength: 8 }),
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(''))

t.test('every Procfile gives types that can be named and commands of one line', async (t) => {
  fc.assert(
    fc.property(text, (procfile) => {
      for (const [name, run] of Object.entries(parseProcfile(procfile))) {
        if (!/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name)) return false
        if (run !== run.trim() || run === '' || /[\r\n]/.test(run)) return false
      }
      return true
    }),
    { numRuns: 3000 },
  )
  t.pass('none breaks it')
  fc.assert(
    fc.property(fc.dictionary(type, command, { maxKeys: 8 }), fc.constantFrom('\n', '\r\n'), (types, end) => {
      const lines = Object.entries(types).map(
        ([name, run]) => `${name}: ${run}${end}${end}# no: comment${end}`,
      )
      const read = parseProcfile(lines.join(''))
      return JSON.stringify(Object.entries(read)) === JSON.stringify(Object.entries({ ...types }))
    }),
    { numRuns: 1000 },
  )
  t.pass('what was written is what is read')
})

t.test('every output of bin/release is read, or refused with a reason', async (t) => {
  let refused = 0
  let warned = 0
  const warn = (): void => void warned++
  process.on('warning', warn)
  t.teardown(() => process.removeListener('warning', warn))
  fc.assert(
    fc.property(text, (output) => {
      try {
        const { addons, configVars, defaultTypes } = parseRelease(output)
        const all = [...addons, ...Object.values(configVars), ...Object.values(defaultTypes)]
        return all.every((each) => typeof each === 'string')
      } catch (error) {
        refused++
        return error instanceof TypeError && error.message !== '' && !error.message.includes('\n')
      }
    }),
    { numRuns: 3000 },
  )
  t.ok(refused > 0)
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(warned, 0, 'nothing of it gets into what this process says itself')
  fc.assert(
    fc.property(
      fc.dictionary(type, command, { maxKeys: 5 }),
      fc.dictionary(fc.stringMatching(/^[A-Z_]{1,9}$/), command, { maxKeys: 5 }),
      fc.array(command, { maxLength: 3 }),
      (defaultTypes, configVars, addons) => {
        const output = { default_process_types: defaultTypes, config_vars: configVars, addons }
        const read = parseRelease(`---\n${JSON.stringify(output)}\n`)
        return JSON.stringify(read) === JSON.stringify({ defaultTypes, addons, configVars })
      },
    ),
    { numRuns: 500 },
  )
  const bomb = `a: &a ["x","x"]\n${'bcdefghi'
    .split('')
    .map((name, at) => `${name}: &${name} [${`*${'abcdefgh'[at]},`.repeat(9)}]`)
    .join('\n')}\n`
  t.throws(() => parseRelease(bomb), TypeError, 'aliases of aliases are refused')
  t.throws(() => parseRelease('a: b\n'.repeat(20_000)), { message: /more than 65536 characters/ })
})

t.test('no name leads out of the registry, no address is an option of git or curl', async (t) => {
  const registry = openRegistry('/nonexistent/registry', {})
  await fc.assert(
    fc.asyncProperty(text, async (name) => (await registry.find(name)) === undefined),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(fc.oneof(text, fc.webUrl({ withFragments: true, withQueryParameters: true })), (address) => {
      const source = parseAddress(buildpackName(address))
      if (source === undefined) return true
      const url = 'url' in source ? source.url : ''
      return !url.startsWith('-') && !(source.kind === 'git' && source.ref.startsWith('-'))
    }),
    { numRuns: 2000 },
  )
  t.match(texts.processTypes(Object.keys(parseProcfile('__proto__: x\nweb: y')), []), /-> web\n/)
})
