/** Acknowledged writes: none lost, none out of order; versions dense and unique. */
import type { ConfigOp, FinalApp, History, ScaleOp } from '../history.ts'
import { undone, type Violation } from './finding.ts'

export type WriteFindings = { readonly violations: readonly Violation[]; readonly acksLost: number }

const lost = (text: string): Violation => ({ rule: 'acks', text })
const isKept = (history: History) => (op: ConfigOp | ScaleOp) => !undone(history, op.invokedAt, op.returnedAt)

export const checkWrites = (history: History): WriteFindings => {
  if (history.final === null) {
    return { violations: [lost('the API did not answer when all was over')], acksLost: 0 }
  }
  const writes = history.ops.filter((op) => op.kind !== 'request')
  const parts = history.final.map((final) => {
    const own = writes.filter((op) => op.app === final.app)
    const configs = own.filter((op) => op.kind === 'config')
    const scales = own.filter((op) => op.kind === 'scale')
    const gone = [...goneReleases(history, configs, final), ...goneValues(history, configs, final)]
    const sized = goneScales(history, scales, final)
    return {
      acksLost: gone.length + sized.length,
      violations: [...gone, ...sized, ...disorder(history, configs), ...sparse(final)],
    }
  })
  const known = new Set(history.final.map((final) => final.app))
  // An app may be made of source that is sent in.
  const used = history.ops.filter((op) => op.kind !== 'build')
  const missing = [...new Set(used.map((op) => op.app))].filter((app) => !known.has(app))
  return {
    violations: [
      ...parts.flatMap((part) => part.violations),
      ...missing.map((app) => lost(`${app} is gone`)),
    ],
    acksLost: parts.reduce((sum, part) => sum + part.acksLost, 0) + missing.length,
  }
}

const acknowledged = <T extends ConfigOp | ScaleOp>(history: History, ops: readonly T[]): readonly T[] =>
  ops.filter((op) => op.outcome === 'ok').filter(isKept(history))

const goneReleases = (history: History, ops: readonly ConfigOp[], final: FinalApp): Violation[] =>
  acknowledged(history, ops)
    .filter((op) => !final.releases.some((release) => release.version === op.version))
    .map((op) => lost(`${op.app} v${op.version} (${op.key}=${op.value}) was acknowledged and is gone`))

/**
 * Writes that may stand last, among those to one place: acknowledged ones that no other acknowledged one
 * followed, and all of which nobody knows whether they happened. A refused one never does.
 */
const lastOnes = <T extends ConfigOp | ScaleOp>(history: History, ops: readonly T[]): readonly T[] => {
  const sure = acknowledged(history, ops)
  return ops.filter((op) => {
    if (op.outcome === 'refused') return false
    if (op.outcome !== 'ok' || !isKept(history)(op)) return true
    return !sure.some((other) => other !== op && other.invokedAt >= (op.returnedAt ?? Infinity))
  })
}

const goneValues = (history: History, ops: readonly ConfigOp[], final: FinalApp): Violation[] => {
  const keys = [...new Set(ops.map((op) => op.key))]
  return keys.flatMap((key) => {
    const own = ops.filter((op) => op.key === key)
    const found = final.config[key]
    if (acknowledged(history, own).length === 0 && found === undefined) return []
    const may = lastOnes(history, own)
    if (may.some((op) => op.value === found)) return []
    return [lost(`${final.app} ${key} is ${found}, not one of ${may.map((op) => op.value).join(', ')}`)]
  })
}

const goneScales = (history: History, ops: readonly ScaleOp[], final: FinalApp): Violation[] => {
  const types = [...new Set(ops.map((op) => op.type))]
  return types.flatMap((type) => {
    const own = ops.filter((op) => op.type === type)
    const may = lastOnes(history, own)
    const found = final.quantities[type]
    if (acknowledged(history, own).length === 0 || may.some((op) => op.quantity === found)) return []
    return [
      lost(`${final.app} ${type} stands at ${found}, not at ${may.map((op) => op.quantity).join(' or ')}`),
    ]
  })
}

/** Whoever begins after another one was answered gets a later version; no two get the same. */
const disorder = (history: History, ops: readonly ConfigOp[]): Violation[] => {
  const sure = acknowledged(history, ops)
  const holders = new Map<number, ConfigOp>()
  const wrong: Violation[] = []
  // In the order of calls, the largest version answered before each call decides: no need to compare all
  // pairs.
  const answers = [...sure].sort((a, b) => (a.returnedAt ?? 0) - (b.returnedAt ?? 0))
  let at = 0
  let newest = 0
  for (const op of [...sure].sort((a, b) => a.invokedAt - b.invokedAt)) {
    for (; (answers[at]?.returnedAt ?? Infinity) <= op.invokedAt; at++) {
      newest = Math.max(newest, answers[at]?.version ?? 0)
    }
    const version = op.version ?? 0
    const other = holders.get(version)
    if (other !== undefined) {
      wrong.push({
        rule: 'versions',
        text: `${op.app} v${version} was given to ${other.value} and ${op.value}`,
      })
    } else if (version <= newest) wrong.push(lost(`${op.app} v${version} came after v${newest} was answered`))
    holders.set(version, op)
  }
  return wrong
}

const sparse = (final: FinalApp): Violation[] => {
  const versions = final.releases.map((release) => release.version).sort((a, b) => a - b)
  const ids = new Set(final.releases.map((release) => release.id))
  const wrong = versions.flatMap((version, place) =>
    version === place + 1 ? [] : [`${final.app} has v${version} in the place of v${place + 1}`],
  )
  if (ids.size !== versions.length) wrong.push(`${final.app} has two releases of one id`)
  // One text is enough: a gap moves everything after it.
  return wrong.slice(0, 1).map((text) => ({ rule: 'versions', text }))
}
