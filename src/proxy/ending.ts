/**
 * How requests end: what goes into the record for each code, and what a bad response is called. Pure.
 */
import type { Fault } from '../http1/fault.ts'
import type { RequestHead } from '../http1/request-head.ts'
import { type Code, codes } from './codes.ts'
import type { AccessRecord, Refusal } from './contract.ts'

/** The part of a record that says how it went. */
export type Ending = Pick<AccessRecord, 'at' | 'code' | 'description' | 'cause' | 'sock' | 'status'>

const plain = { at: 'info', code: '', description: '', cause: '', sock: '' } as const

/** A response went through whole. */
export function answered(status: number): Ending {
  return { ...plain, status }
}

/** The request was refused before it had a target. */
export function refused(refusal: Refusal): Ending {
  const { code, description, status, at } = refusal
  return { ...plain, at: at ?? 'error', code, description, status }
}

/** One of the codes the data path itself decides. H26 says its cause, H25 its restriction in the text. */
export function failed(code: Code, cause = '', status: number | null = codes[code].status): Ending {
  const { description, at, sock } = codes[code]
  if (code === 'H25') return { at, code, description: `${description}: ${cause}`, cause: '', sock, status }
  return { at, code, description, cause, sock, status }
}

/** A request that can be answered, but not served. */
export function badRequest({ isBad, expect }: Pick<RequestHead, 'isBad' | 'expect'>): Ending | null {
  if (isBad) return failed('H26', 'bad header')
  return expect === 'other' ? failed('H26', 'unsupported expect header value', 417) : null
}

/** A response that breaks a documented limit is H25 with its name; any other bad head is H17. */
export function badResponse(fault: Fault | null): Ending {
  switch (fault?.code) {
    case 'bad-content-length':
      return failed('H25', 'invalid content length')
    case 'cookie-too-long':
      return failed('H25', 'oversized cookie')
    case 'status-line-too-long':
      return failed('H25', 'oversized status line')
    case 'response-header-too-long':
    case 'header-name-too-long':
    case 'head-too-large':
    case 'too-many-headers':
      return failed('H25', 'oversized header')
    default:
      return failed('H17')
  }
}
