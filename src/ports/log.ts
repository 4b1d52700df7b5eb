/** The runtime's own log: logfmt fields, one line each. */
export type Log = (fields: Readonly<Record<string, string | number | boolean | undefined>>) => void
