// Answers with what its dependency says, which yarn installed.
const ms = require('ms')
require('node:http')
  .createServer((request, response) => response.end(`yarn says ${ms(172800000)}\n`))
  .listen(process.env.PORT)
