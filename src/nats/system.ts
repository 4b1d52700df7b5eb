/**
 * The servers' own account: their events and their administration, for hosts that run one.
 */
import { accountName, type Login } from './config.ts'
import { connect, guarded } from './connection.ts'
import { JetStreamRefused } from './jetstream.ts'
import { requestsOf } from './requests.ts'

export type SystemOptions = {
  /** Of this machine's own server. */
  readonly url: string
  readonly login: Login
  /** Of this host. */
  readonly name: string
}
export type System = {
  /** The server it is connected to reads its configuration again. @throws JetStreamRefused why not */
  readonly reload: () => Promise<void>
  /**
   * Calls back with the name of each client that a server of the cluster has lost. A hint: a server that dies
   * itself tells only of some of its clients, and a name is what the client said of itself.
   */
  readonly watchDisconnects: (onGone: (client: string) => void) => void
  readonly close: () => Promise<void>
}

const timeoutMs = 5_000
const none = new Uint8Array(0)

/** @throws ConnectFailed */
export const openSystem = async ({ url, login, name }: SystemOptions): Promise<System> => {
  const connection = await connect({ urls: [url], ...login, host: `system-${name}` })
  const { client } = connection
  const requests = requestsOf(connection)
  const ask = async <T>(subject: string, body?: unknown): Promise<T> => {
    const bytes = body === undefined ? none : Buffer.from(JSON.stringify(body))
    const { bytes: text } = await requests.ask(subject, bytes, timeoutMs)
    const answer = JSON.parse(Buffer.from(text).toString('utf8')) as { error?: ApiError }
    if (answer.error !== undefined) throw new JetStreamRefused(subject, answer.error)
    return answer as T
  }
  return {
    async reload() {
      await ask(`$SYS.REQ.SERVER.${client.info?.server_id ?? ''}.RELOAD`)
    },
    watchDisconnects(onGone) {
      client.subscribe(`$SYS.ACCOUNT.${accountName}.DISCONNECT`, {
        callback(error, message) {
          if (error !== null) return
          const gone = message.json<{ client?: { name?: string } }>().client?.name
          if (gone !== undefined) guarded(() => onGone(gone))
        },
      })
    },
    close: () => connection.close(),
  }
}
type ApiError = { readonly code: number; readonly err_code?: number; readonly description?: string }
