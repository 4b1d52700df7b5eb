/**
 * Requests that came in at another host, given to a server as if they were its own, and awaited when that
 * closes: it knows nothing of their connections.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { tellClient } from './client-address.ts'

export type Forwarded = {
  /** @param address of the client. @returns false: it is closing */
  readonly take: (request: IncomingMessage, response: ServerResponse, address: string) => boolean
  /** Takes no more; what is under way may finish within `graceMs`. */
  readonly close: (graceMs: number) => Promise<void>
}

export const takeForwarded = (http: Server): Forwarded => {
  const underWay = new Set<ServerResponse>()
  let whenIdle: (() => void) | undefined
  return {
    take(request, response, address) {
      if (whenIdle !== undefined) return false
      tellClient(request, address)
      underWay.add(response)
      response.once('close', () => {
        underWay.delete(response)
        if (underWay.size === 0) whenIdle?.()
      })
      http.emit('request', request, response)
      return true
    },
    close: (graceMs) =>
      new Promise((resolve) => {
        const late = setTimeout(() => underWay.forEach((response) => response.destroy()), graceMs)
        whenIdle = () => {
          clearTimeout(late)
          resolve()
        }
        if (underWay.size === 0) whenIdle()
      }),
  }
}
