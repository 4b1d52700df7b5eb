/**
 * The codes the data path itself can end a request with: Heroku's H codes with their texts, the status
 * the client gets or the log shows, and who is to blame (Heroku "Error Codes").
 */
export type CodeEntry = {
  readonly description: string
  readonly status: number
  readonly at: 'warning' | 'error'
  readonly sock: '' | 'client' | 'backend'
}

export const codes = {
  H11: { description: 'Backlog too deep', status: 503, at: 'error', sock: '' },
  H12: { description: 'Request timeout', status: 503, at: 'error', sock: '' },
  H13: { description: 'Connection closed without response', status: 503, at: 'error', sock: '' },
  H14: { description: 'No web processes running', status: 503, at: 'error', sock: '' },
  H15: { description: 'Idle connection', status: 503, at: 'error', sock: '' },
  H17: { description: 'Poorly formatted HTTP response', status: 503, at: 'error', sock: '' },
  H18: { description: 'Server Request Interrupted', status: 503, at: 'error', sock: 'backend' },
  H19: { description: 'Backend connection timeout', status: 503, at: 'error', sock: '' },
  H21: { description: 'Backend connection refused', status: 503, at: 'error', sock: '' },
  H22: { description: 'Connection limit reached', status: 503, at: 'error', sock: '' },
  H24: { description: 'Forced close', status: 503, at: 'error', sock: '' },
  H25: { description: 'HTTP restriction', status: 502, at: 'error', sock: '' },
  H26: { description: 'Request Error', status: 400, at: 'error', sock: '' },
  H27: { description: 'Client Request Interrupted', status: 499, at: 'warning', sock: 'client' },
  H28: { description: 'Client Connection Idle', status: 499, at: 'warning', sock: '' },
  H33: { description: 'HTTP/2 Stream Broken', status: 499, at: 'error', sock: '' },
  H34: { description: 'All up dynos are quarantined', status: 503, at: 'error', sock: '' },
  H31: { description: 'Misdirected Request', status: 421, at: 'error', sock: '' },
  H99: { description: 'Platform error', status: 503, at: 'error', sock: '' },
} as const satisfies Record<string, CodeEntry>

export type Code = keyof typeof codes
