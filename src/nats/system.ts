/**
 * The servers' own account: their events and their administration, for hosts that run one.
 */
import { accountName, type Login } from './config.ts'
import { connect, guarded } from './connection.ts'
import { JetStreamRefused, type ApiError, type StreamState } from './jetstream.ts'
import { RequestFailed, requestsOf } from './requests.ts'

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
  /** What a server itself holds of each stream; undefined when it does not answer. */
  readonly holds: (server: string) => Promise<ReadonlyMap<string, StreamState> | undefined>
  /** The servers of the cluster as its leader sees them; undefined while there is no leader. */
  readonly peers: () => Promise<readonly ServerPeer[] | undefined>
  /**
   * A server that never comes back is taken out; what it held is copied to others that are there. Never while
   * the network is in doubt: acknowledged data may be lost with it.
   * @throws JetStreamRefused
   */
  readonly removeServer: (name: string) => Promise<void>
  readonly close: () => Promise<void>
}
export type ServerPeer = {
  readonly name: string
  readonly isLeader: boolean
  /** It is there and has all that the leader has. */
  readonly isCurrent: boolean
}

const timeoutMs = 5_000
/** Of a question that some server answers at once, or none does. */
const silenceMs = 500
const none = new Uint8Array(0)

/** Who is not there does not answer. */
const unlessSilent = async <T>(answer: Promise<T>): Promise<T | undefined> => {
  try {
    return await answer
  } catch (error) {
    if (error instanceof RequestFailed) return undefined
    throw error
  }
}

type Jsz = {
  readonly data?: {
    readonly account_details?: readonly {
      readonly name: string
      readonly stream_detail?: readonly { readonly name: string; readonly state: StreamState }[]
    }[]
    readonly meta_cluster?: {
      readonly leader?: string
      readonly replicas?: readonly { name: string; current: boolean; offline?: boolean }[]
    }
  }
}

/** @throws ConnectFailed */
export const openSystem = async ({ url, login, name }: SystemOptions): Promise<System> => {
  const connection = await connect({ urls: [url], ...login, host: `system-${name}` })
  const { client } = connection
  const requests = requestsOf(connection)
  const ask = async <T>(subject: string, body?: unknown, withinMs = timeoutMs): Promise<T> => {
    const bytes = body === undefined ? none : Buffer.from(JSON.stringify(body))
    const { bytes: text } = await requests.ask(subject, bytes, withinMs)
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
    async peers() {
      const answer = await unlessSilent(
        ask<Jsz>('$SYS.REQ.SERVER.PING.JSZ', { leader_only: true }, silenceMs),
      )
      const { leader, replicas = [] } = answer?.data?.meta_cluster ?? {}
      if (leader === undefined || leader === '') return undefined
      const followers = replicas.map(({ name, current, offline }) => ({
        name,
        isLeader: false,
        isCurrent: current && offline !== true,
      }))
      return [{ name: leader, isLeader: true, isCurrent: true }, ...followers]
    },
    async holds(server) {
      const which = { server_name: server, exact_match: true, accounts: true, streams: true }
      const answer = await unlessSilent(ask<Jsz>('$SYS.REQ.SERVER.PING.JSZ', which, silenceMs))
      const account = answer?.data?.account_details?.find(({ name }) => name === accountName)
      return answer && new Map(account?.stream_detail?.map(({ name, state }) => [name, state]))
    },
    async removeServer(peer) {
      await ask('$JS.API.SERVER.REMOVE', { peer })
    },
    close: () => connection.close(),
  }
}
