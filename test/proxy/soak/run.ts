/**
 * The soak: through a real router shard go gigabytes up and down, checked by sha256, while a thousand clients
 * hold it up: half of them read an answer a little at a time, half send a body byte by byte. Its memory is
 * looked at all the while.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../../src/proxy/contract.ts'
import { openEnds } from '../../kit/ends.ts'
import { startRouterHost } from '../../kit/router-host.ts'
import { until } from '../../kit/until.ts'
import { blocksOf, sendBlocks, startSoakDyno } from './dyno.ts'

export type SoakOptions = {
  readonly clients: number
  /** Each way. */
  readonly bytes: number
  readonly say: (text: string) => void
}
export type Soaked = {
  readonly bytesUp: number
  readonly bytesDown: number
  /** Bodies whose sha256 was another at the other end. */
  readonly spoiled: number
  /** Slow clients, or bodies, whose line of the router has a code: they were let go or broke. */
  readonly lost: number
  /** Of the shard's memory: before anybody came, with all slow clients there, and then while bytes flowed. */
  readonly idleMb: number
  readonly heldMb: number
  readonly samplesMb: readonly number[]
}

const atOnce = 4
const bodyBytesMax = 256 * 1_048_576
/** More than the kernel keeps of one connection at both ends: else a body is over though nobody reads. */
const slowBodyBytes = 64_000_000
/** Half of the router's 55 s, so that nobody is let go. */
const slowEveryMs = 20_000
const sampleEveryMs = 500
const sipBytes = 1024

const residentMb = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024)

export const soak = async ({ clients, bytes, say }: SoakOptions): Promise<Soaked> => {
  const ends = openEnds()
  try {
    const router = await startRouterHost(ends, { MANIFOLD_ROUTER_SHARDS: '1' })
    const dyno = await startSoakDyno(ends)
    const host = await router.app(1, { dynos: Array.from({ length: 8 }, () => ({ port: dyno.port })) })
    const pid = router.shards()[0]?.pid ?? 0
    const dial = (head: string): Socket => {
      const socket = connect({ port: router.port, host: '127.0.0.1' })
      socket.write(`${head}\r\nHost: ${host}\r\n`)
      socket.on('error', () => undefined)
      return socket
    }
    await download(dial, 0, 1000)
    const idleMb = residentMb(pid)

    const slow = Array.from({ length: clients }, (_, at) => slowClient(dial, at))
    ends.teardown(() => {
      for (const { socket } of slow) socket.destroy()
    })
    await until(() => dyno.connections() >= clients, { what: 'all slow clients', timeoutMs: 120_000 })
    const heldMb = await settledMb(pid)
    say(`${clients} slow clients: ${idleMb} MB before them, ${heldMb} MB with them`)
    ends.teardown(
      systemClock.every(slowEveryMs, () => {
        for (const { sip } of slow) sip()
      }),
    )

    const samplesMb: number[] = []
    ends.teardown(systemClock.every(sampleEveryMs, () => void samplesMb.push(residentMb(pid))))
    let spoiled = 0
    let moved = 0
    const began = performance.now()
    const bodyBytes = Math.min(bodyBytesMax, Math.ceil(bytes / atOnce))
    const bodies = Math.ceil(bytes / bodyBytes)
    let next = 0
    const worker = async (): Promise<void> => {
      for (let body = next++; body < 2 * bodies; body = next++) {
        const way = body % 2 === 0 ? upload : download
        if (!(await way(dial, body, bodyBytes))) spoiled += 1
        moved += bodyBytes
        const rate = Math.round(moved / 1000 / (performance.now() - began))
        say(
          `${Math.round(moved / 1_048_576)} MB moved, ${rate} MB/s, ${samplesMb.at(-1) ?? heldMb} MB of memory`,
        )
      }
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
    samplesMb.push(residentMb(pid))
    const said = (what: string): number => router.lines(1).filter((line) => line.includes(what)).length
    await until(() => said(' status=200 ') > 2 * bodies, {
      what: 'the lines of all bodies',
      timeoutMs: 30_000,
    })
    const lost = said(' code=')
    return {
      bytesUp: bodies * bodyBytes,
      bytesDown: bodies * bodyBytes,
      spoiled,
      lost,
      idleMb,
      heldMb,
      samplesMb,
    }
  } finally {
    await ends.all()
  }
}

/** What is kept for the slow comes from their dyno, and takes a moment to be there. */
const settledMb = async (pid: number): Promise<number> => {
  const seen: number[] = []
  let lookedMs = 0
  await until(
    () => {
      if (performance.now() - lookedMs < sampleEveryMs) return false
      lookedMs = performance.now()
      seen.push(residentMb(pid))
      const last = seen.slice(-4)
      return last.length === 4 && Math.max(...last) - Math.min(...last) <= 3
    },
    { what: `memory to settle: ${seen.join()}`, timeoutMs: 60_000 },
  )
  return seen.at(-1) ?? 0
}

type Dial = (head: string) => Socket

const slowClient = (dial: Dial, at: number) => {
  if (at % 2 === 0) {
    const socket = dial(`GET /down/${at}/${slowBodyBytes} HTTP/1.1`)
    socket.write('\r\n')
    return { socket, sip: () => void socket.read(sipBytes) }
  }
  const socket = dial('POST /up HTTP/1.1')
  socket.write(`Content-Length: ${slowBodyBytes}\r\n\r\n`)
  return { socket, sip: () => void socket.write('x') }
}

/** @returns whether the dyno got what was sent */
const upload = async (dial: Dial, seed: number, bytes: number): Promise<boolean> => {
  const socket = dial('POST /up HTTP/1.1')
  let text = ''
  socket.on('data', (more: Buffer) => (text += more.toString('latin1')))
  socket.write(`Connection: close\r\nContent-Length: ${bytes}\r\n\r\n`)
  const sent = await sendBlocks(socket, seed, bytes)
  await until(() => socket.readableEnded || socket.destroyed, {
    what: 'the answer to an upload',
    timeoutMs: 120_000,
  })
  socket.destroy()
  return text.endsWith(sent)
}

/** @returns whether the client got what was sent */
const download = async (dial: Dial, seed: number, bytes: number): Promise<boolean> => {
  const socket = dial(`GET /down/${seed}/${bytes} HTTP/1.1`)
  socket.write('Connection: close\r\n\r\n')
  const hash = createHash('sha256')
  let head: string | null = ''
  let got = 0
  socket.on('data', (more: Buffer) => {
    let body = more
    if (head !== null) {
      head += more.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      body = Buffer.from(head.slice(end + 4), 'latin1')
      head = null
    }
    got += body.length
    hash.update(body)
  })
  await until(() => socket.readableEnded || socket.destroyed, {
    what: 'the end of a download',
    timeoutMs: 300_000,
  })
  socket.destroy()
  return got === bytes && hash.digest('hex') === hashOf(seed, bytes)
}

const hashOf = (seed: number, bytes: number): string => {
  const blocks = blocksOf(seed, bytes)
  const hash = createHash('sha256')
  for (let block = blocks.next(); block !== null; block = blocks.next()) hash.update(block)
  return hash.digest('hex')
}
