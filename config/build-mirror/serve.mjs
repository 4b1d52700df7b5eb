// Serves the build mirror inside a build's sandbox, on ports 80 and 443 of its own loopback: what lies at
// <host>/<path> of the mirror is what that host answers. Prints one line when it listens.
// usage: serve.mjs FILES TLS (folders; in TLS certificate.pem and key.pem)
import { createReadStream, readFileSync, realpathSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join, sep } from 'node:path'

const [files, tls] = process.argv.slice(2)
const root = realpathSync(files)

/** The file for that host and address, first with its query; undefined when there is none. */
function find(host, address) {
  const [path] = address.split('?')
  for (const name of [address, path]) {
    try {
      const full = realpathSync(join(root, host, decodeURIComponent(name)))
      if (full.startsWith(join(root, host) + sep) && statSync(full).isFile()) return full
    } catch {
      // Not there, or no name that a file can have.
    }
  }
  return undefined
}

function answer(request, response) {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase()
  const file = /^[a-z0-9.-]+$/.test(host) ? find(host, request.url ?? '/') : undefined
  if (file === undefined) {
    response.writeHead(404, { 'Content-Type': 'text/plain' })
    response.end(`not in the build mirror of this platform: ${host}${request.url}\n`)
    return
  }
  response.writeHead(200, { 'Content-Length': statSync(file).size })
  if (request.method === 'HEAD') response.end()
  else createReadStream(file).pipe(response)
}

const key = readFileSync(join(tls, 'key.pem'))
const cert = readFileSync(join(tls, 'certificate.pem'))
createServer(answer).listen(80, '127.0.0.1', () => {
  createTlsServer({ key, cert }, answer).listen(443, '127.0.0.1', () => process.stdout.write('ready\n'))
})
