/** Written by `npm run api-page` from the endpoints themselves; do not edit. */
export const errorIds = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'suspended',
  'not_found',
  'not_acceptable',
  'conflict',
  'gone',
  'precondition_failed',
  'payload_too_large',
  'requested_range_not_satisfiable',
  'invalid_params',
  'rate_limit',
  'internal_server_error',
  'service_unavailable',
] as const
export type ErrorId = (typeof errorIds)[number]
