/**
 * A backup as a file: a line that says what it is, one line for each key of the record, and a line with the
 * sum of all before it. Plain JSON lines, so that any tool reads them.
 *
 *   {"manifold":"backup","format":1,"cluster":"…","takenAt":"…","count":2,"configKey":"…","configKeys":[…]}
 *   {"key":"name/app/shop","value":"<base64>","revision":12}
 *   {"sha256":"…"}
 *
 * Config vars are sealed in it: without the keys that are named in its first line (they are in the cluster's
 * `keys/config.key`) nobody reads them. Slugs and
 * repositories are objects and not in it.
 */
import { createHash } from 'node:crypto'
import type { Entry } from '../../src/ports/store.ts'

export type Header = {
  readonly manifold: 'backup'
  readonly format: number
  readonly cluster: string
  readonly takenAt: string
  readonly count: number
  /** Names the key that sealed when it was taken, without saying anything of it. */
  readonly configKey: string
  /** Names those that something in it is sealed with; left out before there were several. */
  readonly configKeys?: readonly string[]
}

export const keysNeeded = ({ configKey, configKeys }: Header): readonly string[] => configKeys ?? [configKey]

/** The file is not a whole backup, or not one that this build can read. */
export class BackupDamaged extends Error {
  override readonly name = 'BackupDamaged'
  readonly code = 'backup_damaged'
}

const format = 1
/** Of one line: twice the largest value there is, and more. */
const lineCharsMax = 4 * 1024 * 1024

/** Of lines that are given on together. */
const textCharsMax = 64 * 1024

/** The text of a backup, some lines at a time. @param about with how many entries there are */
export async function* backupText(
  entries: AsyncIterable<readonly Entry[]>,
  about: Pick<Header, 'cluster' | 'takenAt' | 'configKey' | 'configKeys' | 'count'>,
): AsyncGenerator<string> {
  const sum = createHash('sha256')
  const { count, ...rest } = about
  const header: Header = { manifold: 'backup', format, ...rest, count }
  let text = lineOf(header)
  for await (const some of entries)
    for (const { key, value, revision } of some) {
      text += lineOf({ key, value: base64Of(value), revision })
      if (text.length < textCharsMax) continue
      sum.update(text)
      yield text
      text = ''
    }
  sum.update(text)
  yield text + lineOf({ sha256: sum.digest('hex') })
}

const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`
const base64Of = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64')

/**
 * Reads a backup in order: the header first, then the entries. The sum is only known at the end: who writes
 * what is read here reads it all once before. @throws BackupDamaged
 */
export async function* readBackup(
  chunks: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<{ readonly header: Header } | { readonly entry: Entry }> {
  const sum = createHash('sha256')
  let header: Header | undefined
  let count = 0
  let ended = false
  for await (const text of linesOf(chunks)) {
    if (ended) throw new BackupDamaged('there is more after its end')
    const line = parse(text)
    if (header === undefined) {
      header = headerOf(line)
      yield { header }
    } else if (typeof line['sha256'] === 'string') {
      if (count !== header.count) throw new BackupDamaged(`${count} records are not ${header.count}`)
      if (line['sha256'] !== sum.digest('hex')) throw new BackupDamaged('its sum does not fit')
      ended = true
      continue
    } else {
      count += 1
      yield { entry: entryOf(line) }
    }
    sum.update(`${text}\n`)
  }
  if (!ended) throw new BackupDamaged('its end is missing')
}

type Fields = Readonly<Record<string, unknown>>

const headerOf = (line: Fields): Header => {
  const { manifold, format: written, cluster, takenAt, count, configKey } = line
  if (manifold !== 'backup') throw new BackupDamaged('it is no backup of Manifold')
  if (written !== format) throw new BackupDamaged(`its format is ${String(written)}, this build reads 1`)
  const texts = [cluster, takenAt, configKey].every((field) => typeof field === 'string')
  if (!texts || !Number.isSafeInteger(count)) throw new BackupDamaged('its first line is not whole')
  return line as unknown as Header
}

const entryOf = ({ key, value, revision }: Fields): Entry => {
  const whole = typeof key === 'string' && typeof value === 'string' && typeof revision === 'number'
  if (!whole || !/^[^/]+\/./.test(key)) throw new BackupDamaged('a record in it is not whole')
  return { key, value: new Uint8Array(Buffer.from(value, 'base64')), revision }
}

const parse = (text: string): Fields => {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value as Fields
  } catch (error) {
    throw new BackupDamaged('a line in it is not JSON', { cause: error })
  }
  throw new BackupDamaged('a line in it is no object')
}

async function* linesOf(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: false })
  let rest = ''
  for await (const chunk of chunks) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    if (!rest.includes('\n')) {
      if (rest.length > lineCharsMax) throw new BackupDamaged('a line in it is too long')
      continue
    }
    const lines = rest.split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') throw new BackupDamaged('its last line is cut off')
}
