/**
 * Ranges: how Heroku pages its lists. Pure.
 *
 *   Range: version ]19..; max=15, order=desc
 *   206, Content-Range: version 18..4; max=15,order=desc, Next-Range: version ]4..; max=15,order=desc
 *
 * Both `,` and `;` separate; `]` before the start and `[` after the end exclude. An empty or unreadable
 * range is no range.
 */
import { ApiError } from './errors.ts'
import type { Reply } from './endpoint.ts'

export type Range = {
  readonly by: string
  readonly from: string
  readonly fromExclusive: boolean
  readonly to: string
  readonly toExclusive: boolean
  readonly max: number
  readonly descending: boolean
}

const maxDefault = 200
const maxAllowed = 1000
const shape = /^\s*(\w+)\s+(\]?)([^\s,;[\]]*)\.\.([^\s,;[\]]*)(\[?)\s*(?:[;,](.*))?$/s

/** Undefined when there is no usable range in `header`. */
export const parseRange = (header: string | undefined): Range | undefined => {
  const match = shape.exec(header ?? '')
  if (match === null) return undefined
  const [, by = '', open = '', from = '', to = '', close = '', rest = ''] = match
  const options = new Map(
    rest.split(/[;,]/).map((option) => {
      const [name = '', value = ''] = option.split('=')
      return [name.trim(), value.trim()] as const
    }),
  )
  const max = Number(options.get('max') ?? maxDefault)
  if (!Number.isInteger(max) || max < 1) throw badRange()
  return {
    by,
    from,
    fromExclusive: open !== '',
    to,
    toExclusive: close !== '',
    max: Math.min(max, maxAllowed),
    descending: options.get('order') === 'desc',
  }
}

/**
 * A property by which a list may be sorted and cut, e.g. `{ id: (app) => app.id }`. Numbers sort as
 * numbers.
 */
export type Sortable<T> = Readonly<Record<string, (item: T) => string | number>>

export type Page<T> = {
  readonly items: readonly T[]
  readonly headers: Readonly<Record<string, string>>
  readonly partial: boolean
}

const wholeRange: Omit<Range, 'by'> = {
  from: '',
  fromExclusive: false,
  to: '',
  toExclusive: false,
  max: maxDefault,
  descending: false,
}

/** The range that the header asks for, or all; the first name is the order when it says none. */
export const rangeOf = <Name extends string>(
  header: string | undefined,
  names: readonly Name[],
): Range & { readonly by: Name } => {
  const range = parseRange(header)
  const by = names.find((name) => name === (range?.by ?? names[0]))
  if (by === undefined) throw badRange()
  return { ...(range ?? wholeRange), by }
}

/** Sorts and cuts `items` as the header asks; the first of `fields` is the default order. */
export const cut = <T>(items: readonly T[], header: string | undefined, fields: Sortable<T>): Page<T> => {
  const names = Object.keys(fields)
  const range = rangeOf(header, names)
  const valueOf = fields[range.by]
  if (valueOf === undefined) throw badRange()
  const sorted = [...items].sort((a, b) => compare(valueOf(a), valueOf(b)) * (range.descending ? -1 : 1))
  const inside = sorted.filter((item) => within(valueOf(item), range))
  return pageOf(inside, range, names, valueOf)
}

/** @param items in the range's order, and in it; more of them than a page has when there are more */
export const pageOf = <T>(
  items: readonly T[],
  { by, to, toExclusive, max, descending }: Range,
  names: readonly string[],
  valueOf: (item: T) => string | number,
): Page<T> => {
  // The next page begins behind the last value: what shares it must not be cut off from it.
  const edge = items[max - 1]
  const shared = edge === undefined ? 0 : items.slice(max).findIndex((one) => valueOf(one) !== valueOf(edge))
  const page = items.slice(0, shared < 0 ? items.length : max + shared)
  const partial = items.length > page.length
  const order = descending ? ',order=desc' : ''
  const headers: Record<string, string> = { 'Accept-Ranges': names.join(', ') }
  const [first, last] = [page.at(0), page.at(-1)]
  if (first !== undefined && last !== undefined) {
    headers['Content-Range'] = `${by} ${valueOf(first)}..${valueOf(last)}; max=${max}${order}`
    const end = `${to}${toExclusive ? '[' : ''}`
    if (partial) headers['Next-Range'] = `${by} ]${valueOf(last)}..${end}; max=${max}${order}`
  }
  return { items: page, headers, partial }
}

/** A list answer: 206 when something was left out, else 200. */
export const list = <T>(page: Page<T>, body: readonly unknown[]): Reply => ({
  status: page.partial ? 206 : 200,
  body,
  headers: page.headers,
})

/** @param bodyOf what is shown of each */
export const listOf = <T>(page: Page<T>, bodyOf: (item: T) => unknown): Reply =>
  list(
    page,
    page.items.map((item) => bodyOf(item)),
  )

const sortableNames = [
  'id',
  'name',
  'version',
  'type',
  'email',
  'hostname',
  'created_at',
  'updated_at',
  'ordinal',
]

/**
 * A short list as its endpoint gives it, in its own order; sorted and cut by what its items show when the
 * header asks for it, or when it is longer than a page.
 */
export const ranged = (reply: Reply, header: string | undefined): Reply => {
  const { body } = reply
  if (!Array.isArray(body) || reply.headers !== undefined || body.length === 0) return reply
  const items = body as readonly Readonly<Record<string, unknown>>[]
  const isSortable = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number'
  const names = sortableNames.filter((name) => items.every((item) => isSortable(item[name])))
  if (names.length === 0) return reply
  // `heroku-client` asks for every list by id, also for those of things that have none.
  const asked = parseRange(header)
  const isNone = asked === undefined || (asked.by === 'id' && !names.includes('id'))
  if (isNone && items.length <= (asked?.max ?? maxDefault))
    return { ...reply, headers: { 'Accept-Ranges': names.join(', ') } }
  const fields = names.map((name) => [name, (item: (typeof items)[number]) => item[name] as string | number])
  const page = cut(items, header, Object.fromEntries(fields) as Sortable<(typeof items)[number]>)
  return { ...reply, ...list(page, page.items) }
}

const within = (value: string | number, range: Range): boolean => {
  const sign = range.descending ? -1 : 1
  const from = range.from === '' ? 1 : compare(value, range.from) * sign
  const to = range.to === '' ? -1 : compare(value, range.to) * sign
  return (range.fromExclusive ? from > 0 : from >= 0) && (range.toExclusive ? to < 0 : to <= 0)
}

const compare = (a: string | number, b: string | number): number => {
  if (typeof a === 'number') return a - Number(b)
  const text = String(b)
  return a < text ? -1 : a > text ? 1 : 0
}

export const badRange = (): ApiError =>
  new ApiError('requested_range_not_satisfiable', 'The requested range is not satisfiable.')
