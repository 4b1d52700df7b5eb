// The worker process: shows that it lives. Start one with `heroku ps:scale worker=1`.
const { DYNO = 'worker.1' } = process.env
const everyMs = 30_000

console.log(`working dyno=${DYNO}`)
const timer = setInterval(() => console.log(`still working dyno=${DYNO}`), everyMs)

process.on('SIGTERM', () => {
  clearInterval(timer)
  console.log('stopping')
})
