/** Links of Heroku's published schema: what each takes, with an example of it and with what it is not. */
import { readFileSync } from 'node:fs'
import type { Endpoint } from '../../actors/api/endpoint.ts'

type Schema = {
  readonly $ref?: string
  readonly type?: readonly string[] | string
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly example?: unknown
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}
type Link = { readonly method: string; readonly href: string; readonly schema?: Schema }

const root = JSON.parse(
  readFileSync(new URL('../../scripts/api/heroku-schema.json', import.meta.url), 'utf8'),
) as { readonly definitions: Readonly<Record<string, { readonly links?: readonly Link[] }>> }

export const links: readonly Link[] = Object.values(root.definitions).flatMap(({ links: own = [] }) => own)

const shape = (method: string, path: string): string => `${method} ${path.replaceAll(/\{[^}]*\}|:\w+/g, ':')}`

export const isServedBy = ({ method, href }: Link, { http }: Endpoint): boolean =>
  [http.path, ...(http.also ?? [])].some((path) => shape(http.method, path) === shape(method, href))

/** A field of a body as Heroku has it. */
export type Field = { readonly name: string; readonly example: unknown; readonly wrong: readonly unknown[] }
export type Taken = { readonly fields: readonly Field[]; readonly required: readonly string[] }

export const takenBy = ({ schema = {} }: Link): Taken => {
  const { properties = {}, required = [] } = resolved(schema)
  const fields = Object.entries(properties).map(([name, field]) => ({
    name,
    example: exampleOf(field),
    wrong: wrongFor(typesOf(field)),
  }))
  return { fields, required }
}

const resolved = (schema: Schema): Schema => {
  const { $ref } = schema
  if ($ref === undefined) return schema
  const steps = $ref.replace(/^#\//, '').split('/').map(decodeURIComponent)
  const found = steps.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], root)
  return resolved(found as Schema)
}

const formsOf = ({ anyOf, oneOf }: Schema): readonly Schema[] | undefined => anyOf ?? oneOf

const typesOf = (field: Schema): readonly string[] => {
  const found = resolved(field)
  return formsOf(found)?.flatMap(typesOf) ?? [found.type ?? 'object'].flat()
}

/** Null is no value: many clients send it for what they leave out. */
const wrongFor = (types: readonly string[]): unknown[] => [
  ...(types.includes('object') ? [] : [{ x: 1 }]),
  ...(types.includes('array') ? [] : [[['x']]]),
  ...(types.includes('string') ? [] : ['\u0001odd']),
  ...(types.includes('number') || types.includes('integer') ? [] : [12.5]),
  ...(types.includes('boolean') ? [] : [true]),
]

const exampleOf = (field: Schema): unknown => {
  const found = resolved(field)
  if (found.example !== undefined) return found.example
  const [form] = formsOf(found) ?? []
  if (form !== undefined) return exampleOf(form)
  if (found.enum !== undefined) return found.enum[0]
  const { properties = {}, items = {} } = found
  const each = (): object =>
    Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, exampleOf(one)]))
  const examples: Readonly<Record<string, () => unknown>> = {
    object: each,
    array: () => [exampleOf(items)],
    boolean: () => true,
    integer: () => 1,
    number: () => 1,
  }
  const type = typesOf(found).find((one) => one in examples)
  return type === undefined ? 'example' : examples[type]?.()
}
