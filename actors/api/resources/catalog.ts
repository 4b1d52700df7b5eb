/**
 * The catalogue: regions, stacks, dyno sizes, generations. What there is to choose from; no app of its
 * own.
 */
import { dynoSizes, findDynoSize } from '../../../config/dyno-sizes.ts'
import { stacks as known } from '../../../config/stacks.ts'
import type { Edge } from '../edge.ts'
import { endpoint, ok } from '../endpoint.ts'
import { invalid, notFound } from '../errors.ts'
import { epochText, generation, idFor } from '../shapes/common.ts'
import { dynoSizeBody } from '../shapes/process.ts'

const dated = { created_at: epochText, updated_at: epochText }

const regions = [
  {
    ...dated,
    country: 'United States',
    description: 'United States',
    id: idFor('region', 'us'),
    locale: 'Virginia',
    name: 'us',
    private_capable: false,
    provider: { name: 'manifold', region: 'us-east-1' },
  },
]
/** The default first: what is chosen when nothing is said. */
const stacksOf = ({ settings }: Edge) => {
  const ofNew = settings.stack()
  return known
    .toSorted((a, b) => Number(b === ofNew) - Number(a === ofNew))
    .map((name) => ({ ...dated, default: name === ofNew, id: idFor('stack', name), name, state: 'public' }))
}
const generations = [{ ...dated, ...generation }]

/**
 * The name of what `wanted` (a name, an id, or an object with either) points to; the default when it
 * is left out.
 */
const chosen = (
  among: readonly { readonly id: string; readonly name: string }[],
  wanted: unknown,
): string | undefined => {
  if (wanted === undefined || wanted === null) return among[0]?.name
  const { id, name } =
    typeof wanted === 'object' ? (wanted as { id?: unknown; name?: unknown }) : { id: wanted, name: wanted }
  return among.find((one) => one.id === id || one.name === name)?.name
}

export const regionNamed = (wanted: unknown): string => {
  const name = chosen(regions, wanted)
  if (name === undefined) throw invalid('Invalid region specified. This platform has one region: us.')
  return name
}

/** Heroku's stacks whose apps are images. */
const imageStacks = ['container', 'cnb'] as const

export const stackNamed = (wanted: unknown, edge: Edge): string => {
  const name = chosen(stacksOf(edge), wanted)
  const other = imageStacks.find(
    (one) => one === wanted || one === (wanted as { name?: unknown } | null)?.name,
  )
  if (other !== undefined)
    throw invalid(
      `The ${other} stack is not available here: no images are built, neither of a Dockerfile nor as ` +
        `heroku.yml says. Use buildpacks on one of: ${known.join(', ')}.`,
    )
  if (name === undefined) throw invalid(`Invalid stack specified. Use one of: ${known.join(', ')}.`)
  return name
}

const oneOf = <T extends { readonly id: string; readonly name: string }>(
  among: readonly T[],
  which: string,
  resource: string,
): T => {
  const found = among.find((one) => one.name === which || one.id === which)
  if (found === undefined) throw notFound(resource)
  return found
}

export const catalog = [
  endpoint({
    name: 'regions.list',
    http: { method: 'GET', path: '/regions' },
    summary: 'Regions: one',
    run: () => ok(regions),
  }),
  endpoint({
    name: 'regions.info',
    http: { method: 'GET', path: '/regions/:region' },
    summary: 'One region',
    run: ({ params }) => ok(oneOf(regions, params.region, 'region')),
  }),
  endpoint({
    name: 'stacks.list',
    http: { method: 'GET', path: '/stacks', also: ['/apps/:app/available-stacks'] },
    summary: 'Stacks',
    run: (_, edge) => ok(stacksOf(edge)),
  }),
  endpoint({
    name: 'stacks.info',
    http: { method: 'GET', path: '/stacks/:stack' },
    summary: 'One stack',
    run: ({ params }, edge) => ok(oneOf(stacksOf(edge), params.stack, 'stack')),
  }),
  endpoint({
    name: 'generations.list',
    http: { method: 'GET', path: '/generations' },
    summary: 'Generations of the platform: one',
    run: () => ok(generations),
  }),
  endpoint({
    name: 'generations.info',
    http: { method: 'GET', path: '/generations/:generation' },
    summary: 'One generation',
    run: ({ params }) => ok(oneOf(generations, params.generation, 'generation')),
  }),
  endpoint({
    name: 'dyno-sizes.list',
    http: { method: 'GET', path: '/dyno-sizes', also: ['/apps/:app/available-dyno-sizes'] },
    summary: 'Dyno sizes',
    run: () => ok(dynoSizes.map(dynoSizeBody)),
  }),
  endpoint({
    name: 'dyno-sizes.info',
    http: { method: 'GET', path: '/dyno-sizes/:size' },
    summary: 'One dyno size',
    run: ({ params }) => {
      const size = findDynoSize(params.size)
      if (size === undefined) throw notFound('dyno_size')
      return ok(dynoSizeBody(size))
    },
  }),
]
