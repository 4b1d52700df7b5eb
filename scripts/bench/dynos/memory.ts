/** Memory of processes, shared pages counted by their share (proc(5), smaps_rollup). */
import { readFileSync } from 'node:fs'

export const mb = 1024 * 1024

const bytesOf = (pid: number, field: string, file: string): number => {
  const text = readFileSync(`/proc/${pid}/${file}`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024
}

/** Bytes of its own and its share of what others use too. */
export const proportionalBytes = (pid: number): number => bytesOf(pid, 'Pss', 'smaps_rollup')

/** Bytes that it has in memory. */
export const residentBytes = (pid: number): number => bytesOf(pid, 'VmRSS', 'status')
