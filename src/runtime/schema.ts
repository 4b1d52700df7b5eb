/**
 * Schemas: what a message, a reply or a saved state may look like, with its TypeScript type inferred.
 *
 * The only door to typebox. Bodies travel as plain msgpack, so a schema is built from what survives the trip:
 * strings, safe integers, numbers, booleans, null, bytes, arrays and objects (config/decisions/004-wire.md).
 */
import Type, { type Static, type TProperties, type TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

export type { Static, TProperties, TSchema }

const bytes = Type.Refine(
  Type.Unsafe<Uint8Array>(Type.Any()),
  (value) => value instanceof Uint8Array,
  () => 'must be bytes',
)

/** The builders that messages are made of. */
export const is = {
  str: Type.String(),
  int: Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
  num: Type.Number(),
  bool: Type.Boolean(),
  nil: Type.Null(),
  bytes,
  /** Any JSON value: only for what is carried through unread. */
  json: Type.Unknown(),
  text: (maxLength: number) => Type.String({ maxLength }),
  obj: <const F extends TProperties>(fields: F) => Type.Object(fields),
  arr: <S extends TSchema>(items: S, maxItems?: number) =>
    Type.Array(items, maxItems === undefined ? {} : { maxItems }),
  /** A row: so many values, each with its place. */
  row: <const S extends TSchema[]>(...members: [...S]) => Type.Tuple(members),
  map: <S extends TSchema>(values: S) => Type.Record(Type.String(), values),
  oneOf: <const V extends readonly string[]>(...values: V) =>
    Type.Union(values.map((v) => Type.Literal(v))) as unknown as TOneOf<V>,
  opt: <S extends TSchema>(schema: S) => Type.Optional(schema),
  orNull: <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]),
  lit: <const V extends string | number | boolean>(value: V) => Type.Literal(value),
  union: <const S extends TSchema[]>(...members: S) => Type.Union(members),
}

/** A union of string literals, with the literal types kept. */
export type TOneOf<V extends readonly string[]> = Type.TUnsafe<V[number]>

/**
 * Undefined when `value` fits; else where and why it does not, without quoting the value (it may be a
 * secret).
 */
export type Check = (value: unknown) => { readonly path: string; readonly want: string } | undefined

const checks = new WeakMap<TSchema, Check>()

/** Compiles a schema once into a check that is called for each arrival; nodes of one process share it. */
export const checker = (schema: TSchema): Check => {
  const known = checks.get(schema)
  if (known !== undefined) return known
  const compiled = Compile(schema)
  const check: Check = (value) => {
    if (compiled.Check(value)) return undefined
    const first = compiled.Errors(value)[0]
    return { path: first?.instancePath || '/', want: first?.message ?? 'a value of its schema' }
  }
  checks.set(schema, check)
  return check
}

const objects = new WeakMap<TProperties, TSchema>()

/** The check of an object with these fields, compiled once for all who ask. */
export const fieldsChecker = (fields: TProperties): Check => {
  const schema = objects.get(fields) ?? is.obj(fields)
  objects.set(fields, schema)
  return checker(schema)
}
