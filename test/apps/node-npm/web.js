// Answers with what its dependency says, which npm installed.
const ms = require('ms')
require('node:http')
  .createServer((request, response) => response.end(`npm says ${ms(172800000)}\n`))
  .listen(process.env.PORT)
