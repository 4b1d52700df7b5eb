/** What each proxy of the router's bench is asked for, and what ours is to reach of nginx's CPU. */

export type Load = {
  readonly what: string
  readonly goal: string
  /** Requests before a figure means anything: compilers and pools need some. */
  readonly warmUp: number
  readonly isTls?: boolean
} & (
  | { readonly tool: 'wrk'; readonly path: string; readonly args: readonly string[] }
  | {
      readonly tool: 'h2load'
      readonly path: string
      readonly args: readonly string[]
      readonly count: number
    }
  /** router/asker.ts, in this way. */
  | { readonly tool: 'asker'; readonly way: 'new' | 'resumed' | 'websocket'; readonly count: number }
)

const many = 10_000
const some = 500
const large = 100

/** Scripts of wrk, written where it runs. */
export const wrkScripts: Readonly<Record<string, string>> = {
  'post.lua': 'wrk.method = "POST"\nwrk.body = string.rep("x", 1024)\n',
  'upload.lua': 'wrk.method = "POST"\nwrk.body = string.rep("x", 1048576)\n',
}

export const loads: readonly Load[] = [
  { what: 'small keep-alive', goal: '<=0.9', warmUp: many, tool: 'wrk', path: '/small', args: ['-c64'] },
  { what: '10 KB', goal: '<=1', warmUp: many, tool: 'wrk', path: '/10k', args: ['-c64'] },
  { what: '1 MB down', goal: '<=1', warmUp: large, tool: 'wrk', path: '/1m', args: ['-c16'] },
  {
    what: '1 MB up',
    goal: '<=1',
    warmUp: large,
    tool: 'wrk',
    path: '/upload',
    args: ['-c16', '-s', 'upload.lua'],
  },
  {
    what: 'POST 1 KB',
    goal: '<=1',
    warmUp: many,
    tool: 'wrk',
    path: '/small',
    args: ['-c64', '-s', 'post.lua'],
  },
  {
    what: 'new connection each',
    goal: '<=1.2',
    warmUp: many,
    tool: 'wrk',
    path: '/small',
    args: ['-c64', '-H', 'Connection: close'],
  },
  {
    what: 'TLS keep-alive',
    goal: '<=1',
    warmUp: many,
    isTls: true,
    tool: 'wrk',
    path: '/small',
    args: ['-c64'],
  },
  {
    what: 'TLS, new session each',
    goal: '<=1',
    warmUp: some,
    isTls: true,
    tool: 'asker',
    way: 'new',
    count: 1_500,
  },
  {
    what: 'TLS, resumed session each',
    goal: '<=1',
    warmUp: some,
    isTls: true,
    tool: 'asker',
    way: 'resumed',
    count: 1_500,
  },
  {
    what: 'HTTP/2',
    goal: '<=1',
    warmUp: many,
    isTls: true,
    tool: 'h2load',
    path: '/small',
    args: ['-c16', '-m8'],
    count: 20_000,
  },
  { what: 'WebSocket messages', goal: '<=1', warmUp: many, tool: 'asker', way: 'websocket', count: 20_000 },
]
