/** A JSON schema as the TypeScript type that it means, on one line. Pure. */
type Schema = {
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly Schema[]
  readonly items?: Schema | readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
}

const plain: Readonly<Record<string, string>> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
  null: 'null',
}
const literal = (value: unknown): string => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value))
const oneOf = (types: readonly string[]): string => [...new Set(types)].join(' | ')
const name = (text: string): string => (/^[a-z_]\w*$/i.test(text) ? text : `'${text}'`)

export const typeText = (schema: object): string => {
  const {
    type = '',
    enum: values,
    const: value,
    anyOf,
    items,
    properties,
    patternProperties,
    required = [],
  } = schema as Schema
  if (value !== undefined) return literal(value)
  if (values !== undefined) return values.map(literal).join(' | ')
  if (typeof type !== 'string') return oneOf(type.map((one) => typeText({ ...schema, type: one })))
  if (anyOf !== undefined) {
    const types = anyOf.map(typeText)
    return types.includes('unknown') ? 'unknown' : oneOf(types)
  }
  if (type === 'array') {
    const one = items === undefined || Array.isArray(items) ? 'unknown' : typeText(items)
    return one.includes(' ') && !one.startsWith('{') ? `readonly (${one})[]` : `readonly ${one}[]`
  }
  const [pattern] = Object.values(patternProperties ?? {})
  if (pattern !== undefined) return `Readonly<Record<string, ${typeText(pattern)}>>`
  if (type === 'object') {
    const fields = Object.entries(properties ?? {}).map(
      ([field, one]) => `readonly ${name(field)}${required.includes(field) ? '' : '?'}: ${typeText(one)}`,
    )
    return fields.length === 0 ? 'object' : `{ ${fields.join('; ')} }`
  }
  return plain[type] ?? 'unknown'
}
