/**
 * What can be wrong with bytes that should be HTTP/1.1: one table of codes with the status they answer.
 *
 * A fault is data and is returned, not thrown: peers choose how often it happens, and building a stack
 * for each bad request would let them spend our CPU. Request faults carry the status for the client;
 * response faults carry the status of a gateway that got a bad answer.
 */

/** Why a head or a body was refused. */
export type Fault = {
  readonly code: FaultCode
  /** The status the sender of the request should get. */
  readonly status: number
  readonly detail: string
}

export type FaultCode = keyof typeof faultTable

const faultTable = {
  'bad-request-line': [400, 'request line is not "method SP target SP HTTP/1.x"'],
  'bad-method': [400, 'method is not a token of at most 127 bytes, or is CONNECT'],
  'bad-target': [400, 'request target is not origin-form, absolute-form or *'],
  'request-line-too-long': [414, 'request line is longer than allowed'],
  'bad-version': [505, 'HTTP version is not 1.0 or 1.1'],
  'too-many-empty-lines': [400, 'too many empty lines before the request'],
  'bad-header-name': [400, 'header name is empty, not a token, folded or followed by space'],
  'header-name-too-long': [400, 'header name is longer than allowed'],
  'bad-header-value': [400, 'header value holds a control byte or a bare CR or LF'],
  'header-value-too-long': [400, 'header value is longer than allowed'],
  'too-many-headers': [400, 'more headers than allowed'],
  'head-too-large': [431, 'head is larger than allowed'],
  'bad-host': [400, 'Host must be present once and be a valid authority'],
  'bad-content-length': [400, 'Content-Length is not one decimal number'],
  'bad-transfer-encoding': [400, 'Transfer-Encoding must be chunked, once'],
  'bad-chunk': [400, 'chunked body is malformed'],
  'bad-trailer': [400, 'trailer section is malformed or larger than allowed'],
  'bad-status-line': [502, 'status line is not "HTTP/1.x 3DIGIT [reason]"'],
  'status-line-too-long': [502, 'status line is longer than allowed'],
  'response-header-too-long': [502, 'response header line is longer than allowed'],
  'cookie-too-long': [502, 'Set-Cookie line is longer than allowed'],
} as const satisfies Record<string, readonly [number, string]>

/** Every fault, made once. */
export const faults: { readonly [C in FaultCode]: Fault } = Object.freeze(
  Object.fromEntries(
    Object.entries(faultTable).map(([code, [status, detail]]) => [
      code,
      Object.freeze({ code, status, detail }),
    ]),
  ),
) as { readonly [C in FaultCode]: Fault }
