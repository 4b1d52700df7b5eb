/**
 * Connects to a receiver, with TLS where its address says so: verified by chain and name unless it says
 * `#insecure`. All of it, the name's look-up too, within one bound.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { failed, type Failure, type LinkDeps } from './link.ts'

/** Resolves when connected; never rejects. A receiver whose certificate is refused has seen no message. */
export const dial = (deps: LinkDeps, timeoutMs: number): Promise<Socket | Failure> =>
  new Promise((resolve) => {
    const { address, clock, limits } = deps
    const { host, port, tls } = address
    const secured = tls === null ? null : securedTo(deps)
    const socket = secured ?? connectTcp({ host, port })
    const late = clock.after(timeoutMs, () => {
      const error = new Error(`no connection to ${address.shown} within ${timeoutMs} ms`)
      socket.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, limits.tcpKeepAliveMs)
    // Stays for the connection's life: who uses it hears of errors by its close.
    socket.on('error', (error) => {
      late.cancel()
      const refusal = tls?.verified === true ? refusalOf(secured) : undefined
      resolve(
        refusal === undefined
          ? failed(error, { connected: false })
          : { kind: 'failed', reason: refusal, code: refusal, connected: false, certificate: true },
      )
    })
    socket.once(secured === null ? 'connect' : 'secureConnect', () => {
      late.cancel()
      resolve(socket)
    })
  })

const securedTo = ({ address: { scheme, host, port, tls }, ca }: LinkDeps): TLSSocket =>
  connectTls({
    host,
    port,
    // An address is no name to ask for; it is verified as an address.
    ...(isIP(host) === 0 && { servername: host }),
    ...(scheme === 'https' && { ALPNProtocols: ['http/1.1'] }),
    rejectUnauthorized: tls?.verified !== false,
    secureContext: ca === undefined ? trustingMachine() : createSecureContext({ ca }),
  })

/** Why its certificate was not accepted; undefined: it has not come to that. */
const refusalOf = (socket: TLSSocket | null): string | undefined =>
  // Node gives the code; its types say Error.
  (socket?.authorizationError as unknown as string | null | undefined) ?? undefined

let machine: SecureContext | undefined

/**
 * Node's own authorities and those that this machine was given. Made once: there are hundreds, which takes
 * 0.1 s.
 */
const trustingMachine = (): SecureContext =>
  (machine ??= createSecureContext({
    ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system')])],
  }))
