/**
 * Free TCP ports of 127.0.0.1 for programs that take theirs as a setting. They lie below the range from which
 * the system gives ports to whoever asks for any (net.ipv4.ip_local_port_range): a port of that range may be
 * the near end of somebody's connection by the time that the program listens, also at its second start.
 */
import { createServer } from 'node:net'

const portMin = 10_000
const portsCount = 22_000
const triesMax = 200
const given = new Set<number>()

const canListen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => void server.close(() => resolve(true)))
  })

/**
 * A port that is free, with those that lie `beside` it (a router's TLS port lies 363 above its own).
 * No port is given twice in one process.
 */
export const freePort = async (beside: readonly number[] = []): Promise<number> => {
  const count = portsCount - Math.max(0, ...beside)
  for (let tries = 0; tries < triesMax; tries++) {
    const port = portMin + Math.floor(Math.random() * count)
    const wanted = [port, ...beside.map((offset) => port + offset)]
    if (wanted.some((one) => given.has(one))) continue
    if (!(await Promise.all(wanted.map(canListen))).every(Boolean)) continue
    for (const one of wanted) given.add(one)
    return port
  }
  throw new Error('no free port')
}

export const freePorts = async (count: number): Promise<readonly number[]> => {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}
