/**
 * Keys of the record and the subjects they are kept under: `app/my-app` is `$KV.<bucket>.app.<shard>.my-app`.
 *
 * The shard (two hex digits of the first name's hash) keeps the server's subject tree broad and shallow: with
 * flat keys a get among 3 M takes 20 times as long. It depends on the first name alone, so all that belongs
 * to one name lies together and is listed without a scan.
 */
import assert from 'node:assert/strict'
import { fromToken, toToken } from './names.ts'

/** Longest subject in bytes; the server takes 4,096 for a whole protocol line with its reply subject. */
const subjectBytesMax = 1_024

/** @throws AssertionError when the key has no kind, no name, or is too long */
export const subjectOf = (root: string, key: string): string => {
  const [kind, name, ...more] = key.split('/')
  assert(kind !== undefined && kind !== '' && name !== undefined, `a key is <kind>/<name>, not ${key}`)
  const subject = [root, toToken(kind), shardOf(name), toToken(name), ...more.map(toToken)].join('.')
  assert(subject.length <= subjectBytesMax, `the key is too long: ${key.slice(0, 64)}…`)
  return subject
}

/** The key that `subjectOf` keeps under this subject. */
export const keyOf = (root: string, subject: string): string => {
  const [kind = '', , ...names] = subject.slice(root.length + 1).split('.')
  return [kind, ...names].map(fromToken).join('/')
}

/**
 * The narrowest subject filter that holds every key with this prefix. It may hold more where the prefix ends
 * inside a name: the reader compares.
 */
export const filterOf = (root: string, prefix: string): string => {
  const [kind, name, ...more] = prefix.split('/').slice(0, -1)
  if (kind === undefined) return `${root}.>`
  if (name === undefined) return `${root}.${toToken(kind)}.>`
  return [root, toToken(kind), shardOf(name), toToken(name), ...more.map(toToken), '>'].join('.')
}

/** Two hex digits: FNV-1a over the UTF-16 code units, folded to one byte. */
export const shardOf = (name: string): string => {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  }
  const folded = hash ^ (hash >>> 16)
  return ((folded ^ (folded >>> 8)) & 0xff).toString(16).padStart(2, '0')
}
