/**
 * Shapes of answers out of Heroku's published schema (heroku-schema.json, a draft-4 hyper-schema): without
 * references, examples and prose, each as JSON schema says it today.
 *
 * An answer of this platform has all that the schema lists, and nothing else (but what is added to it in
 * actors/api/answers/own.ts), whether it says `strictProperties` there or leaves that open. Patterns that pin
 * Heroku's own host names are not ours.
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
}

const root = JSON.parse(readFileSync(new URL('heroku-schema.json', import.meta.url), 'utf8')) as {
  readonly definitions: Readonly<Record<string, Schema>>
}

/** Of those of these resources that it has. */
export const herokuShapes = (resources: readonly string[]): Readonly<Record<string, object>> =>
  Object.fromEntries(
    resources
      .filter((resource) => resource in root.definitions)
      .map((resource) => [resource, plain(at(`#/definitions/${resource}`))]),
  )

/** Host names and paths have it too. */
const notMeant = 'uri'

const plain = (schema: Schema): object => {
  const { $ref, type, anyOf, items, pattern, properties = {}, patternProperties } = schema
  if ($ref !== undefined) return plain(at($ref))
  if (anyOf !== undefined) return { anyOf: anyOf.map(plain) }
  const names = Object.keys(properties)
  return {
    ...(type !== undefined && { type: typeof type !== 'string' && type.length === 1 ? type[0] : type }),
    ...(schema.enum !== undefined && { enum: schema.enum }),
    ...(schema.format !== undefined && schema.format !== notMeant && { format: schema.format }),
    ...(pattern !== undefined && !/heroku(app)?\\?\.com/.test(pattern) && { pattern }),
    ...(names.length > 0 && { properties: each(properties) }),
    ...(patternProperties !== undefined && { patternProperties: each(patternProperties) }),
    ...(items !== undefined && { items: plain(items) }),
    ...(names.length > 0 && { required: names, additionalProperties: false }),
  }
}

const each = (schemas: Readonly<Record<string, Schema>>): Readonly<Record<string, object>> =>
  Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, plain(schema)]))

const at = (pointer: string): Schema => {
  const found = pointer
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>(
      (node, step) => (node as Readonly<Record<string, unknown>> | undefined)?.[decodeURIComponent(step)],
      root,
    )
  if (found === undefined) throw new Error(`${pointer} points to nothing in Heroku's schema`)
  return found as Schema
}
