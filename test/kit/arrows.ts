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

type Arrow = {
  readonly what: string
  readonly files: RegExp
  readonly may: RegExp
  readonly not?: RegExp
  /** What it may know the shapes of, and nothing more. */
  readonly types?: RegExp
}

/**
 * The first row whose `files` fits says what such a file may import of ours. What is left of the arrow is
 * lower: runtime <- nats, sim, system; engines stand alone; actors above the runtime and, through effects,
 * the engines.
 */
const arrows: readonly Arrow[] = [
  { what: 'the runtime', files: runtimeOnly, may: runtimeOnly },
  { what: 'an adapter', files: /^src\/(?:nats|system)\//, may: /^src\/(?:runtime|ports|nats|system)\// },
  { what: 'the simulation', files: /^src\/sim\//, may: /^src\/(?:runtime|ports|sim)\// },
  // Over the ports, so that it runs in the simulation as it does on a host; its bytes are the runtime's.
  {
    what: 'the membership',
    files: /^src\/membership\//,
    may: /^src\/(?:ports\/|membership\/|runtime\/codec\.ts)/,
  },
  { what: 'an index', files: /^src\/ordered\//, may: /^src\/(?:ports|ordered)\// },
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
    not: /^(?:src\/(?:nats|sim|system)\/|config\/load\.ts|actors\/effects\/perform\/(?!names|access|teams))/,
    types: /^src\/nats\//,
  },
  {
    what: 'an actor',
    files: /^actors\//,
    may: /^(?:src\/(?:runtime|ports)|actors|config)\//,
    not: /^(?:config\/load\.ts|actors\/(?:api|main|effects\/perform)\/)/,
    types: /^src\//,
  },
  { what: 'configuration', files: /^config\//, may: /^(?:config\/|src\/runtime\/)/ },
]

/** The data paths that run beside their actors: requests through a shard, lines through the log sessions. */
const besideActor: Arrow = {
  what: 'a data path',
  files: /^actors\/(?:router|logplex)\//,
  may: /^(?:src|actors|config)\//,
  not: /^(?:config\/load\.ts|actors\/(?:api|main)\/|src\/(?:nats|sim|system)\/)/,
  types: /^src\//,
}

const behaviourPattern = /^export const (\w+)[^=\n]*= actor\(/gm
const behavioursIn = ({ text }: Source): readonly string[] =>
  [...text.matchAll(behaviourPattern)].map((match) => match[1] ?? '')

const arrowOf = (source: Source): Arrow | undefined =>
  besideActor.files.test(source.path) && behavioursIn(source).length === 0
    ? besideActor
    : arrows.find(({ files }) => files.test(source.path))

export const arrowBreaches = (sources: readonly Source[]): readonly Breach[] =>
  sources.flatMap((source) => {
    const arrow = arrowOf(source)
    if (arrow === undefined) return []
    return importsOf(source).flatMap(({ file, values, line }) => {
      if (file === undefined) return []
      if (arrow.may.test(file) && arrow.not?.test(file) !== true) return []
      if (values.length === 0 && arrow.types?.test(file) === true) return []
      return [`${source.path}:${line}: ${arrow.what} may not import ${file}`]
    })
  })

/**
 * The API knows other actors by their messages alone: it may take protocols, types and plain helpers from
 * actors/*.ts, never an actor's behaviour (a value that `actor(...)` made).
 */
export const behaviourBreaches = (sources: readonly Source[]): readonly Breach[] => {
  const behaviours = new Map(
    sources
      .filter(({ path }) => path.startsWith('actors/'))
      .map((source) => [source.path, behavioursIn(source)]),
  )
  return sources
    .filter(({ path }) => /^(?:actors\/api|config|src)\//.test(path))
    .flatMap((source) =>
      importsOf(source)
        .filter(({ file, values }) => values.some((name) => behaviours.get(file ?? '')?.includes(name)))
        .map(
          ({ file, line }) => `${source.path}:${line}: asks ${file} by messages, and imports no behaviour`,
        ),
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
