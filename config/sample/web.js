// The web process: answers with what the platform told it, and logs a line per request.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const { PORT = '3000', DYNO = 'web.1', GREETING = 'Hello' } = process.env
let served = 0

/** Where dynos are told who they are; elsewhere there is no such file. */
const release = (() => {
  try {
    return `v${JSON.parse(readFileSync('/etc/heroku/dyno', 'utf8')).release.id}`
  } catch {
    return 'unknown'
  }
})()

const server = createServer((req, res) => {
  served += 1
  console.log(`served=${served} method=${req.method} path=${req.url} dyno=${DYNO}`)
  res.setHeader('content-type', 'text/plain; charset=utf-8')
  res.end(`${GREETING} from ${DYNO}\nrelease ${release}\nrequests served by this dyno: ${served}\n`)
})

server.listen(Number(PORT), () => console.log(`listening on ${server.address().port}`))

process.on('SIGTERM', () => {
  console.log('stopping')
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})
