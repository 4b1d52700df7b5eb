/**
 * Who may import whom (the arrows of the design), which package comes in by which door, and no cycles.
 *
 * Each rule is a pure function from sources to breaches, so that the tidy test can prove it with planted
 * sources.
 */
import { importsOf, packageOf, type Source } from './source.ts'

/** `path:line: what is wrong`. */
export type Breach = string

const allOfIt = /^/
const runtimeOnly = /^src\/(?:runtime|ports)\//
const compositionRoots = /^(?:actors\/main|scripts|test|bin)\//

/**
 * The first row whose `files` fits says what such a file may import of ours. What is left of the arrow is
 * lower: runtime <- nats, sim, system; engines stand alone; actors above the runtime and, through effects,
 * the engines.
 */
const arrows: readonly {
  readonly what: string
  readonly files: RegExp
  readonly may: RegExp
  readonly not?: RegExp
}[] = [
  { what: 'the runtime', files: runtimeOnly, may: runtimeOnly },
  { what: 'an adapter', files: /^src\/(?:nats|system)\//, may: /^src\/(?:runtime|ports|nats|system)\// },
  { what: 'the simulation', files: /^src\/sim\//, may: /^src\/(?:runtime|ports|sim)\// },
  { what: 'an engine', files: /^src\//, may: /^src\/(?!runtime\/|ports\/|nats\/|system\/|sim\/)/ },
  { what: 'a composition root', files: compositionRoots, may: allOfIt },
  {
    what: 'an interpreter of effects',
    files: /^actors\/effects\/perform\//,
    may: /^(?:src|actors|config)\//,
    not: /^(?:config\/load\.ts|actors\/main\/)/,
  },
  {
    what: 'the API',
    files: /^actors\/api\//,
    may: /^(?:src|config|actors\/(?:api|protocols|effects)|actors\/[\w-]+\.ts$)/,
    not: /^(?:src\/(?:nats|sim|system)\/|config\/load\.ts|actors\/effects\/perform\/(?!names\.ts))/,
  },
  {
    what: 'an actor',
    files: /^actors\//,
    may: /^(?:src\/(?:runtime|ports)|actors|config)\//,
    not: /^(?:config\/load\.ts|actors\/(?:api|main|effects\/perform)\/)/,
  },
  { what: 'configuration', files: /^config\//, may: /^(?:config\/|src\/runtime\/)/ },
]

export const arrowBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources.flatMap((source) => {
    const rule = arrows.find(({ files }) => files.test(source.path))
    if (rule === undefined) return []
    return importsOf(source)
      .filter(({ file }) => file !== undefined && (!rule.may.test(file) || rule.not?.test(file) === true))
      .map(({ file, line }) => `${source.path}:${line}: ${rule.what} may not import ${file}`)
  })

/**
 * The API knows other actors by their messages alone: from actors/*.ts it may take protocols, types and plain
 * helpers, never an actor's behaviour (a value that `actor(...)` made).
 */
export const behaviourBreaches = (sources: readonly Source[]): readonly Breach[] => {
  const behaviours = new Map<string, ReadonlySet<string>>()
  for (const { path, text } of sources) {
    if (!path.startsWith('actors/')) continue
    const names = [...text.matchAll(/^export const (\w+)[^=\n]*= actor\(/gm)].map((match) => match[1] ?? '')
    if (names.length > 0) behaviours.set(path, new Set(names))
  }
  const mayHold = /^(?:actors\/main\/|actors\/(?:[^/]+\/)?tree\.ts|scripts\/|test\/|bin\/)/
  return sources
    .filter(({ path }) => !mayHold.test(path))
    .flatMap((source) =>
      importsOf(source)
        .filter(({ file, values }) => values.some((name) => behaviours.get(file ?? '')?.has(name)))
        .map(({ file, line }) => `${source.path}:${line}: only a tree may import the behaviour in ${file}`),
    )
}

export type Doors = Readonly<Record<string, RegExp | 'not imported'>>

/** Benches may import a package as the peer that ours is measured against; tests may look at anything. */
const besideTheDoors = /^(?:test|scripts\/bench)\//

export const doorBreaches = (sources: readonly Source[], doors: Doors): readonly Breach[] =>
  sources.flatMap((source) =>
    importsOf(source).flatMap(({ specifier, line }) => {
      const name = packageOf(specifier)
      if (name === undefined) return []
      const door = doors[name]
      const at = `${source.path}:${line}`
      if (door === undefined || door === 'not imported') return [`${at}: package ${name} has no door`]
      const open = door.test(source.path) || besideTheDoors.test(source.path)
      return open ? [] : [`${at}: package ${name} comes in by ${door.source} only`]
    }),
  )

/** package.json and the table of doors name the same packages. */
export const dependencyBreaches = (dependencies: readonly string[], doors: Doors): readonly Breach[] => [
  ...dependencies.filter((name) => !(name in doors)).map((name) => `package.json: ${name} has no door`),
  ...Object.keys(doors)
    .filter((name) => !dependencies.includes(name))
    .map((name) => `package.json: ${name} has a door and is no dependency`),
]

/** Every import cycle, told once, from its first file in the alphabet. */
export const cycleBreaches = (sources: readonly Source[]): readonly Breach[] => {
  const graph = new Map(
    sources.map((source) => [source.path, importsOf(source).flatMap(({ file }) => file ?? [])] as const),
  )
  const done = new Set<string>()
  const found: Breach[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path)
    if (seen >= 0) found.push(`${path}: imports itself: ${[...trail.slice(seen), path].join(' -> ')}`)
    if (seen >= 0 || done.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of [...graph.keys()].sort()) visit(path, [])
  return found
}
