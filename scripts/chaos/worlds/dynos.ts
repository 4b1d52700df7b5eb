/**
 * The dynos of a host as its machine tells: read from outside, through the container engine's records and the
 * machine's own /proc, also while everything on it stands still.
 */
import { readdirSync, readFileSync } from 'node:fs'
import type { Run } from '../../../actors/protocols/shapes.ts'

export type Dyno = {
  readonly host: string
  readonly run: Run
  /** Bound its port, when it is a web process. */
  readonly up: boolean
  /** Where its own files are seen from here. */
  readonly root: string
}

type Recorded = { readonly pid: number; readonly labels: Readonly<Record<string, string>> }

/**
 * @param root the machine's file system as it is seen from here
 * @param folder of the engine's records, in it
 */
export const dynosIn = (host: string, root: string, folder: string): readonly Dyno[] =>
  (whileThere(() => readdirSync(`${root}${folder}`)) ?? []).flatMap((id) => {
    const text = whileThere(() => readFileSync(`${root}${folder}/${id}/record.json`, 'utf8'))
    const record = text === undefined || text === '' ? undefined : (JSON.parse(text) as Recorded)
    if (record?.labels['kind'] !== 'dyno' || record.pid === 0) return []
    const stat = whileThere(() => readFileSync(`${root}/proc/${record.pid}/stat`, 'utf8'))
    const state = stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
    // A zombie waits for conmon, and runs nothing.
    if (state === undefined || state === 'Z') return []
    const order = JSON.parse(record.labels['run'] ?? '') as Run
    const up = order.type !== 'web' || isListening(root, record.pid, Number(record.labels['port']))
    return [{ host, run: order, up, root: `${root}/proc/${record.pid}/root` }]
  })

const listening = '0A'
const isListening = (root: string, pid: number, port: number): boolean => {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return ['tcp', 'tcp6'].some((name) =>
    (whileThere(() => readFileSync(`${root}/proc/${pid}/net/${name}`, 'utf8')) ?? '')
      .split('\n')
      .some((line) => {
        const [, local, , state] = line.trim().split(/\s+/)
        return state === listening && local?.endsWith(`:${hex}`) === true
      }),
  )
}

/** Undefined when it ended while it was looked at. */
export const whileThere = <T>(look: () => T): T | undefined => {
  try {
    return look()
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ESRCH', 'EACCES', 'ENOTDIR', 'EINVAL'].includes(code)) return undefined
    throw error
  }
}
