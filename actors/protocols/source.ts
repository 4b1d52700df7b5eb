/**
 * Uploaded source archives: objects that are kept until a time that their names say, so that whoever sweeps
 * needs no record of them.
 */
export const sourcePrefix = 'source/'

/** A build has to begin within the time that its address is good, and may wait for its turn after that. */
export const sourceTimes = { putMs: 3_600_000, getMs: 24 * 3_600_000, keptMs: 26 * 3_600_000 } as const

const objectPattern = /^source\/(\d{13})\/[0-9a-f-]{36}$/
const pathPattern = /^\/sources\/(\d{13}\/[0-9a-f-]{36})\.tgz$/

export const sourceObject = (id: string, untilMs: number): string => `${sourcePrefix}${untilMs}/${id}`
/** `/sources/…`, as addresses name it. */
export const sourcePath = (object: string): string => `/sources/${object.slice(sourcePrefix.length)}.tgz`
/** The object of such a path; undefined: it is none. */
export const sourceAt = (path: string): string | undefined => {
  const name = pathPattern.exec(path)?.[1]
  return name && sourcePrefix + name
}
/** Whether that object's time is over. */
export const isOldSource = (object: string, nowMs: number): boolean => {
  const until = objectPattern.exec(object)?.[1]
  return until !== undefined && Number(until) < nowMs
}
