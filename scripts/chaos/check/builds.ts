/**
 * Builds: each one ends, on record as its sender was told, and what was told to have failed is never
 * released. One fails only when its host was hit.
 */
import { noWord, type BuildOp, type History } from '../history.ts'
import { troubles, type Violation } from './finding.ts'

export const checkBuilds = (history: History): readonly Violation[] => {
  const asked = history.ops.filter((op) => op.kind === 'build')
  const texts = [...asked.flatMap((op) => wrongEnd(history, op)), ...contradictions(history)]
  return texts.map((text) => ({ rule: 'builds', text }))
}

const wrongEnd = (history: History, op: BuildOp): readonly string[] => {
  const name = `${op.app} ${op.version} by ${op.by} on ${op.host}`
  if (op.outcome === null) return [`${name}: its sender was told nothing`]
  const build = history.builds.find(({ app, version }) => app === op.app && version === op.version)
  if (build === undefined) return [`${name} is not on record`]
  if (op.outcome === 'ok') return build.isReleased ? [] : [`${name} was told as released, and is not`]
  if (op.outcome === 'refused' && build.isReleased) return [`${name} was told as failed, and was released`]
  if (op.error?.startsWith(noWord) === true) return [`${name} failed, and nothing says why: ${op.error}`]
  const wasHit = troubles(history).some(
    ({ at, hosts }) => hosts.includes(op.host) && at >= op.invokedAt && at <= (op.returnedAt ?? Infinity),
  )
  return wasHit ? [] : [`${name} failed on a host that nothing hit: ${op.error ?? ''}`]
}

const contradictions = ({ builds }: History): readonly string[] =>
  builds.flatMap(({ app, version, status, isReleased }) => {
    const name = `${app} ${version}`
    if (status === 'pending') return [`${name} is pending when all is over`]
    if (isReleased === (status === 'succeeded')) return []
    return [`${name} is ${status} on record, and ${isReleased ? 'released' : 'not released'}`]
  })
