/** One line of a log as it travels: who wrote it, when, and its bytes. */
export type LogMessage = {
  /** Microseconds since 1970. */
  readonly atUs: number
  /** APP-NAME of RFC 5424: `app`, `heroku`. */
  readonly source: string
  /** PROCID of RFC 5424: `web.1`, `router`. */
  readonly process: string
  /** Facility × 8 + severity, 0 to 191. */
  readonly priority: number
  /** As its writer wrote it, which need not be UTF-8. */
  readonly text: Uint8Array
  /** Its place in that log, where who sends it says so: the same however often it is sent. */
  readonly number?: number
}
