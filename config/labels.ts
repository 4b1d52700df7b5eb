/**
 * Labels: what a host says of itself (`zone=a,disk=ssd`), and what a process type may require of its host.
 * Pure.
 */
export type Labels = Readonly<Record<string, string>>

const namePattern = /^[a-z][a-z0-9-]{0,31}$/
const valuePattern = /^[A-Za-z0-9._-]{1,63}$/
/** Labels that one process type may require. */
const labelsMax = 8

export const isLabel = (name: string, value: string): boolean =>
  namePattern.test(name) && valuePattern.test(value)

/** Why these cannot be required of a host; undefined: they can. */
export const labelsFault = (labels: Labels): string | undefined => {
  const all = Object.entries(labels)
  if (all.length > labelsMax) return `Cannot require more than ${labelsMax} labels of a host.`
  const wrong = all.find(([name, value]) => !isLabel(name, value))
  return wrong === undefined
    ? undefined
    : `Invalid label ${wrong.join('=').slice(0, 100)}. Names are lower-case letters, digits and dashes (at most 32), ` +
        'values are letters, digits, dots, underscores and dashes (at most 63).'
}

export const hasLabels = (host: Labels, required: Labels | undefined): boolean => {
  for (const name in required) if (host[name] !== required[name]) return false
  return true
}

/** What a host says of itself when nothing keeps its dynos apart. */
export const unisolated: Labels = { isolation: 'none' }
export const isolates = (labels: Labels): boolean => !hasLabels(labels, unisolated)

/** `disk=ssd,zone=a`; empty when nothing is required. */
export const labelsText = (labels: Labels | undefined): string =>
  Object.entries(labels ?? {})
    .map((pair) => pair.join('='))
    .sort()
    .join(',')
