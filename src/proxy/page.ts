/**
 * What a client sees when the proxy answers itself: a small page of our own, a frame with the page that the
 * app names, or JSON for clients that ask for JSON (a standing complaint of Heroku's API users), always
 * uncacheable. Pure.
 *
 * As on Heroku it is the client's browser that fetches the app's page, beside which its images may lie: the
 * proxy opens no address that an app names.
 */

/** A whole response: head and body in one buffer. `bodyless` for HEAD. */
export function errorResponse(options: {
  readonly status: number
  readonly code: string
  readonly description: string
  readonly requestId: string
  readonly json: boolean
  readonly pageUrl: string
  readonly keepAlive: boolean
  readonly bodyless: boolean
  readonly date: string
  readonly via: string
}): Buffer {
  const { status, code, pageUrl } = options
  const html = () => (pageUrl === '' ? htmlBody(status, code) : frameBody(status, code, pageUrl))
  const body = options.json ? jsonBody(options) : html()
  const type = options.json ? 'application/json' : 'text/html; charset=utf-8'
  const head =
    `HTTP/1.1 ${status} ${reasons[status] ?? 'Error'}\r\n` +
    `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Cache-Control: no-cache, no-store\r\n${code === 'H80' ? retryAfter : ''}Date: ${options.date}\r\nVia: 1.1 ${options.via}\r\n` +
    `Connection: ${options.keepAlive ? 'keep-alive' : 'close'}\r\n\r\n`
  return Buffer.from(options.bodyless ? head : head + body)
}

/** Who is told that this is for a while comes back after one. */
const retryAfter = 'Retry-After: 60\r\n'

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  408: 'Request Timeout',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
}

const texts: Readonly<Record<number, readonly [string, string]>> = {
  400: ['Bad request', 'The request could not be understood.'],
  404: ['No such app', 'There is nothing configured at this address.'],
  408: ['Request timeout', 'The request did not arrive in time.'],
  414: ['Address too long', 'The address of this request is longer than allowed.'],
  417: ['Expectation failed', 'The expectation of this request can not be met.'],
  421: ['Misdirected request', 'This address is not served here.'],
  431: ['Request too large', 'The header of this request is larger than allowed.'],
  505: ['Version not supported', 'Only HTTP/1.0 and HTTP/1.1 are spoken here.'],
}

const applicationError = [
  'Application error',
  'An error occurred in the application and this page could not be served. If you own the application, ' +
    'its logs say more.',
] as const
const maintenance = [
  'Offline for maintenance',
  'This application is undergoing maintenance. Please try again in a while.',
] as const

function textsOf(status: number, code: string): readonly [string, string] {
  return code === 'H80' ? maintenance : (texts[status] ?? applicationError)
}

function htmlBody(status: number, code: string): string {
  const [title, text] = textsOf(status, code)
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>body{font-family:sans-serif;max-width:36em;margin:15vh auto;padding:0 1em;color:#333}</style>
</head>
<body>
<h1>${title}</h1>
<p>${text}</p>
</body>
</html>
`
}

function frameBody(status: number, code: string, url: string): string {
  const [title] = textsOf(status, code)
  const source = url.replace(/["&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>html,body,iframe{display:block;margin:0;border:0;width:100%;height:100%}</style>
</head>
<body>
<iframe src="${source}" title="${title}"></iframe>
</body>
</html>
`
}

function jsonBody(options: { status: number; code: string; description: string; requestId: string }): string {
  const [title, text] = textsOf(options.status, options.code)
  return `${JSON.stringify({
    id: title.toLowerCase().replaceAll(' ', '_'),
    status: options.status,
    ...(options.code === '' ? {} : { code: options.code, description: options.description }),
    message: text,
    ...(options.requestId === '' ? {} : { request_id: options.requestId }),
  })}\n`
}
