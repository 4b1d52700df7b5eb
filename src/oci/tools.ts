/**
 * The programs that containers are made with, as Debian and others install them.
 */
import { existsSync } from 'node:fs'

import { OciError } from './errors.ts'
import type { Runc } from './runc.ts'

/** Static init, bound into each container. */
export const initPath = '/usr/bin/tini-static'
const tools = {
  runcPath: ['/usr/sbin/runc', '/usr/bin/runc'],
  conmonPath: ['/usr/bin/conmon', '/usr/libexec/podman/conmon'],
}

/** conmon wants absolute paths. */
export const locate = async (runc: Runc): Promise<void> => {
  for (const key of ['runcPath', 'conmonPath'] as const) {
    const path = tools[key].find((each) => existsSync(each))
    if (!path) throw new OciError('OCI_START', `${tools[key].join(' or ')} is not installed`)
    runc[key] = path
  }
  if (!existsSync(initPath)) throw new OciError('OCI_START', `${initPath} is not installed`)
}
