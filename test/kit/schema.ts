/**
 * Validates answers against what the API says that it answers (actors/api/answers.ts): exactly that, with the
 * formats of Heroku.
 */
import { answerOf, answerSchema } from '../../actors/api/answers.ts'

type Schema = {
  readonly type?: readonly string[] | string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly format?: string
  readonly pattern?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
}

const formats: Readonly<Record<string, RegExp>> = {
  uuid: /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  email: /^[^@\s]+@[^@\s]+$/,
}

/**
 * What is wrong with `value` as the resource of that name (`app`, `release`), one line each; an empty list
 * when nothing is. A list is checked item by item.
 */
export const schemaFaults = (resource: string, value: unknown): string[] =>
  faults(answerSchema({ resource, isList: Array.isArray(value) }), value, resource)

/** What is wrong with the answer of an endpoint. */
export const answerFaults = (endpoint: string, value: unknown): string[] => {
  const answer = answerOf(endpoint)
  return answer === undefined
    ? [`${endpoint} does not say what it answers`]
    : faults(answerSchema(answer), value, endpoint)
}

const faults = (schema: Schema, value: unknown, at: string): string[] => {
  if (schema.anyOf !== undefined) {
    const each = schema.anyOf.map((one) => faults(one, value, at))
    return each.some((found) => found.length === 0) ? [] : [`${at}: fits none of its forms`, ...each.flat()]
  }
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length > 0 && !types.some((type) => isOf(type, value))) {
    return [`${at}: ${JSON.stringify(value)} is not ${types.join(' or ')}`]
  }
  if (value === null) return []
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    return [`${at}: ${JSON.stringify(value)} is none of ${schema.enum.join(', ')}`]
  }
  if (schema.const !== undefined && schema.const !== value) {
    return [`${at}: ${JSON.stringify(value)} is not ${JSON.stringify(schema.const)}`]
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
  const { properties = {}, patternProperties = {}, required = [], additionalProperties } = schema
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${at}.${name}: is missing`),
    ...Object.entries(value).flatMap(([name, field]) => {
      const pattern = Object.keys(patternProperties).find((one) => new RegExp(one).test(name))
      const own = properties[name] ?? (pattern === undefined ? undefined : patternProperties[pattern])
      if (own !== undefined) return faults(own, field, `${at}.${name}`)
      return additionalProperties === false ? [`${at}.${name}: is not in the schema`] : []
    }),
  ]
}

const textFaults = (schema: Schema, text: string, at: string): string[] => {
  const format = formats[schema.format ?? '']
  if (format !== undefined && !format.test(text)) return [`${at}: ${text} is no ${schema.format}`]
  const { pattern } = schema
  if (pattern === undefined) return []
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
