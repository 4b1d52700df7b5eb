/**
 * The lines of the bench: the same bytes from a dyno and, for the peers, in a file.
 *
 * A counted line ends in `#`, one digit for its source and eight for its number there: a receiver finds them
 * without reading the rest. A stamped one ends in `@` and the time at which it was written, in microseconds
 * since 1970.
 */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'

/** `#` or `@` and so many digits. */
export const countDigits = 9
export const stampDigits = 16
export const numberMax = 10 ** (countDigits - 1)

const bodies = 1_000

const agents = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'curl/8.14.1',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15',
  'Go-http-client/2.0',
]

/** What comes before the mark: about 150 to 260 bytes, as requests are logged by many an app. */
const bodyOf = (at: number): string => {
  const chance = createHash('sha256').update(String(at)).digest()
  const id = chance.toString('hex', 0, 16)
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = chance.subarray(16)
  return (
    `at=info method=${a % 4 === 0 ? 'POST' : 'GET'} path="/items/${a * 256 + b}?page=${c}" ` +
    `host=shop.example.com request_id=${id} fwd="192.0.${b}.${c}" dyno=web.${1 + (a % 8)} ` +
    `service=${d + e}ms status=200 bytes=${d * 256 + e} agent="${agents[e % agents.length]}"`
  )
}

export const bodiesText = (): string => Array.from({ length: bodies }, (_, at) => `${bodyOf(at)} \n`).join('')

/** The lines of sources 1 to `sources`, one source after the other, as its dyno would write them. */
export const writeLines = async (file: string, sources: number, lines: number): Promise<number> => {
  const texts = bodiesText().split('\n').slice(0, bodies)
  const out = createWriteStream(file, { flags: 'a' })
  for (let source = 1; source <= sources; source++) {
    for (let from = 0; from < lines; from += bodies) {
      let text = ''
      for (let n = from; n < Math.min(lines, from + bodies); n++)
        text += `${texts[n % bodies]}#${source}${String(n).padStart(countDigits - 1, '0')}\n`
      if (!out.write(text)) await once(out, 'drain')
    }
  }
  out.end()
  await once(out, 'close')
  return out.bytesWritten
}

/**
 * What the dynos run: waits for the second that `GO` names, writes `LINES` counted lines, `RATE` a second (0:
 * as fast as it can), and is silent until it is ended. As `ticks` it writes a stamped line every `EVERY_MS`.
 */
export const talker = `import os, sys, time
out = sys.stdout.buffer
if sys.argv[1] == 'ticks':
    every = int(os.environ['EVERY_MS']) / 1000
    at = time.time()
    while True:
        at = max(at + every, time.time())
        time.sleep(max(0, at - time.time()))
        os.write(1, b'a line of a quiet app @%016d\\n' % (time.time_ns() // 1000))
go, lines, rate = (int(os.environ[name]) for name in ('GO', 'LINES', 'RATE'))
source = int(os.environ['DYNO'].split('.')[1])
bodies = [line.rstrip(b'\\n') for line in open('bodies', 'rb')]
def text(first, last):
    return b''.join(b'%s#%d%08d\\n' % (bodies[n % ${bodies}], source, n) for n in range(first, last))
time.sleep(max(0, go - time.time()))
began, done = time.time(), 0
while done < lines:
    due = lines if rate == 0 else min(lines, int((time.time() - began) * rate))
    last = min(due, done + ${bodies})
    if last == done:
        time.sleep(0.01)
        continue
    out.write(text(done, last))
    out.flush()
    done = last
time.sleep(86400)
`
