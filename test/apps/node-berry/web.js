// Answers with what its dependency says, which berry installed.
const ms = require('ms')
require('node:http')
  .createServer((request, response) => response.end(`berry says ${ms(172800000)}\n`))
  .listen(process.env.PORT)
