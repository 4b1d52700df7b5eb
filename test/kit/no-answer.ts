/** Ports that refuse, and ports that never answer: what dynos look like that are gone or too busy. */
import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { startTarget } from './proxy.ts'
import { until } from './until.ts'

/** A loopback port that nothing listens on any more. */
export const deadPort = async (): Promise<number> => {
  const target = await startTarget()
  await target.close()
  return target.port
}

/** A loopback port whose listener accepts nothing and whose backlog is full: connecting to it hangs. */
export async function startDeaf(): Promise<{ port: number; close: () => void }> {
  const script =
    "const s = require('net').createServer().listen(0, '127.0.0.1', 1, () => {" +
    "require('fs').writeSync(1, s.address().port + '\\n');" +
    'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000) })'
  const child = execFile(process.execPath, ['-e', script])
  let out = ''
  child.stdout?.on('data', (text: string) => (out += text))
  const port = await until(() => Number(/^\d+\n/.exec(out)?.[0]) || null, { what: 'the deaf listener' })
  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
  // A backlog of one takes two; the rest, and whoever comes after them, hang.
  const taken = () => fillers.filter((filler) => !filler.connecting).length >= 2
  await until(taken, { what: 'its backlog to fill' })
  return {
    port,
    close: () => {
      for (const filler of fillers) filler.destroy()
      child.kill('SIGKILL')
    },
  }
}
