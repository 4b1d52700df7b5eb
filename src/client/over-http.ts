/** Calls as HTTP requests, as the stock CLI makes them. */
import type { Way } from './client.ts'

/** What a call is as HTTP, wherever it goes. */
export type HttpCall = {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body: string | undefined
}
export type HttpExchange = (call: HttpCall) => Promise<{
  readonly status: number
  readonly text: string
  readonly header: (name: string) => string | undefined
}>

/** @param token whose calls they are; left out: whoever exchanges knows that */
export const overHttp =
  (exchange: HttpExchange, token?: string): Way =>
  ({ method, path, body, range }) =>
    exchange({
      method,
      path,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        accept: 'application/vnd.heroku+json; version=3',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(range !== undefined && { range }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    })

/** Of an answer as Node has it. */
export const headerOf =
  (headers: Readonly<Record<string, string | readonly string[] | undefined>>) =>
  (name: string): string | undefined => {
    const value = headers[name.toLowerCase()]
    return typeof value === 'string' ? value : undefined
  }
