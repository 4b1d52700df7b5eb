/**
 * Validates answers against Heroku's published API schema (test/data/platform-api-schema.json, a draft-4
 * hyper-schema).
 *
 * Stricter than the draft where the schema says `strictProperties`: then every property it lists must be
 * there and no other, but for those that the stock CLI needs and the schema lacks. Patterns that pin
 * Heroku's own host names are not held against us.
 */
import { readFileSync } from 'node:fs'

type Schema = {
  readonly $ref?: string
  readonly type?: readonly string[] | string
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly pattern?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly strictProperties?: boolean
  readonly definitions?: Readonly<Record<string, Schema>>
}

const root = JSON.parse(
  readFileSync(new URL('../data/platform-api-schema.json', import.meta.url), 'utf8'),
) as Schema

/** What the stock CLI reads, and the schema does not have. */
const extraProperties = new Set(['create_status', 'process_tier', 'published_at'])
const formats: Readonly<Record<string, RegExp>> = {
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  email: /^[^@\s]+@[^@\s]+$/,
}

/**
 * What is wrong with `value` as the resource of that name (`app`, `release`), one line each; an empty list
 * when nothing is. A list is checked item by item.
 */
export const schemaFaults = (resource: string, value: unknown): string[] => {
  const schema = root.definitions?.[resource]
  if (schema === undefined) return [`there is no resource ${resource}`]
  const items: readonly unknown[] = Array.isArray(value) ? value : [value]
  return items.flatMap((item) => faults(schema, item, resource))
}

const faults = (schema: Schema, value: unknown, at: string): string[] => {
  if (schema.$ref !== undefined) return faults(resolve(schema.$ref), value, at)
  if (schema.anyOf !== undefined) {
    const each = schema.anyOf.map((one) => faults(one, value, at))
    return each.some((found) => found.length === 0) ? [] : [`${at}: fits none of its forms`]
  }
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length > 0 && !types.some((type) => isOf(type, value))) {
    return [`${at}: ${JSON.stringify(value)} is not ${types.join(' or ')}`]
  }
  if (value === null) return []
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return [`${at}: ${JSON.stringify(value)} is none of ${schema.enum.join(', ')}`]
  }
  if (typeof value === 'string') return textFaults(schema, value, at)
  if (Array.isArray(value)) {
    return schema.items === undefined
      ? []
      : value.flatMap((item, index) => faults(schema.items ?? {}, item, `${at}[${index}]`))
  }
  return typeof value === 'object' ? objectFaults(schema, value as Record<string, unknown>, at) : []
}

const objectFaults = (schema: Schema, value: Readonly<Record<string, unknown>>, at: string): string[] => {
  const { properties = {}, patternProperties = {} } = schema
  const strict = schema.strictProperties === true && Object.keys(properties).length > 0
  const missing = strict ? Object.keys(properties).filter((name) => !(name in value)) : []
  return [
    ...missing.map((name) => `${at}.${name}: is missing`),
    ...Object.entries(value).flatMap(([name, field]) => {
      const pattern = Object.keys(patternProperties).find((one) => new RegExp(one).test(name))
      const own = properties[name] ?? (pattern === undefined ? undefined : patternProperties[pattern])
      if (own !== undefined) return faults(own, field, `${at}.${name}`)
      return strict && !extraProperties.has(name) ? [`${at}.${name}: is not in the schema`] : []
    }),
  ]
}

const textFaults = (schema: Schema, text: string, at: string): string[] => {
  const format = formats[schema.format ?? '']
  if (format !== undefined && !format.test(text)) return [`${at}: ${text} is no ${schema.format}`]
  const { pattern } = schema
  if (pattern === undefined || /heroku(app)?\\?\.com/.test(pattern)) return []
  return new RegExp(pattern).test(text) ? [] : [`${at}: ${text} does not match ${pattern}`]
}

const isOf = (type: string, value: unknown): boolean => {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
    default:
      return typeof value === type
  }
}

const resolve = (pointer: string): Schema => {
  const steps = pointer.replace(/^#\//, '').split('/')
  const found = steps.reduce<unknown>(
    (node, step) => (node as Readonly<Record<string, unknown>> | undefined)?.[decodeURIComponent(step)],
    root,
  )
  if (found === undefined) throw new Error(`${pointer} points to nothing`)
  return found as Schema
}
