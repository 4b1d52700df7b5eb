/**
 * Errors of the container engine: one class, one table of codes.
 */

export const ociErrorCodes = {
  OCI_SPEC: 'the container specification cannot be run as it is',
  OCI_ID_TAKEN: 'a container of this id was started before',
  OCI_UNKNOWN: 'no container of this id',
  OCI_ENDED: 'the container has ended',
  OCI_EXECS: 'too many processes are executed in it already',
  OCI_START: 'the container could not be started',
  OCI_NETWORK: 'the container network could not be set up',
  OCI_ADDRESSES: 'no address is free for another container',
  OCI_DISK: 'the disk of this host has no room for another container',
  OCI_COMMAND: 'a system command failed',
  OCI_BUSY: 'containers are left that use it',
  OCI_CLOSED: 'the driver was closed',
} as const

export type OciErrorCode = keyof typeof ociErrorCodes

/** `message` names the thing at fault; `cause` is the system's own error where there is one. */
export class OciError extends Error {
  readonly code: OciErrorCode
  constructor(code: OciErrorCode, detail: string, options?: ErrorOptions) {
    super(`${ociErrorCodes[code]}: ${detail}`, options)
    this.name = 'OciError'
    this.code = code
  }
}

/** Whether `error` is the system's error `code`, such as ENOENT. */
export const isErrno = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code))

/** Whatever stopped a start, as an error of ours. */
export const asStartError = (id: string, error: unknown): OciError => {
  if (error instanceof OciError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new OciError('OCI_START', `${id}: ${why}`, { cause: error })
}
