// Answers with what its dependency says, which pnpm installed.
const ms = require('ms')
require('node:http')
  .createServer((request, response) => response.end(`pnpm says ${ms(172800000)}\n`))
  .listen(process.env.PORT)
