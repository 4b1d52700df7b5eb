// Answers with another package of the repository, and whether the build script of its own ran.
const words = require('words')
const built = require('node:fs').readFileSync(`${__dirname}/built`, 'utf8')
require('node:http')
  .createServer((request, response) => response.end(`${words}, ${built}\n`))
  .listen(process.env.PORT)
