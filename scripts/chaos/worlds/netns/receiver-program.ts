/**
 * A strict receiver of HTTP drains: it listens at `$1` `$2`, and writes down each frame in the file $3 before
 * it answers 204. What is no frame of Logplex' is answered 500, and comes again.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'

const [address = '', port = '', file = ''] = process.argv.slice(2)
const into = openSync(file, 'a')
const heads = /^<\d{1,3}>1 \S+ host \S+ \S+ - /

/** The texts of octet-counted messages; undefined: it is not made of such. */
const textsOf = (body: Buffer): readonly string[] | undefined => {
  const texts: string[] = []
  for (let at = 0; at < body.length;) {
    const length = /^([1-9]\d{0,6}) /.exec(body.toString('latin1', at, at + 8))
    if (length === null) return undefined
    const begin = at + length[0].length
    at = begin + Number(length[1])
    const message = body.toString('utf8', begin, at)
    if (at > body.length || !heads.test(message) || message.indexOf('\n') !== message.length - 1)
      return undefined
    texts.push(message.replace(heads, '').slice(0, -1))
  }
  return texts
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => void chunks.push(chunk))
  request.on('error', () => response.destroy())
  request.on('end', () => {
    const texts = textsOf(Buffer.concat(chunks))
    const id = request.headers['logplex-frame-id']
    const isWhole = texts !== undefined && Number(request.headers['logplex-msg-count']) === texts.length
    if (!isWhole || typeof id !== 'string') {
      console.error(`no frame: ${JSON.stringify(request.headers)}`)
      response.writeHead(500).end()
      return
    }
    writeSync(into, `${JSON.stringify({ app: (request.url ?? '').slice(1), id, texts })}\n`)
    fsyncSync(into)
    response.writeHead(204).end()
  })
})
// The harness holds the other end: it is gone when this ends.
process.stdin.resume().once('end', () => {
  closeSync(into)
  process.exit(0)
})
server.listen(Number(port), address, () => console.log('listening'))
