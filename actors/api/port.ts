/** The API's port, on hosts that have one and on those that pass calls on. */
export const apiPort = {
  // The stock CLI sends its token to this machine's own address only.
  address: '127.0.0.1',
  names: ['localhost', '127.0.0.1', 'api.localhost', 'git.localhost'],
  firstLineBytesMax: 8192,
  firstBytesMs: 30_000,
  connectionsMax: 4096,
  /** What is under way may finish within this; it needs the service, which closes after. */
  closeGraceMs: 3_000,
} as const
