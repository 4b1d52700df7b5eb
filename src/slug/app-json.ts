/**
 * app.json: what an app that is set up from source is to have (spec/dyno.md §2.8). Pure; unknown keys are let
 * through, for the file says more than a set-up needs.
 */
export type Manifest = {
  /** What each config var is to be; none: it has no value and needs none. */
  readonly env: Readonly<Record<string, EnvWish>>
  readonly formation: Readonly<Record<string, { readonly quantity?: number; readonly size?: string }>>
  readonly buildpacks: readonly string[]
  readonly stack: string | undefined
  /** Runs once when everything else is done. */
  readonly postdeploy: string | undefined
  readonly successUrl: string | undefined
  /** Add-ons by their plans. */
  readonly addons: readonly string[]
}
export type EnvWish =
  | { readonly kind: 'value'; readonly value: string }
  | { readonly kind: 'secret' }
  | { readonly kind: 'required' | 'optional' }

const entriesMax = 500
const namePattern = /^[A-Za-z_]\w*$/

type Fields = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What the text says, and what is wrong with it, one line each. */
export const parseAppJson = (
  text: string,
): { readonly manifest: Manifest; readonly errors: readonly string[] } => {
  const errors: string[] = []
  const file = fieldsOf(text, errors)
  const section = (name: string): readonly (readonly [string, unknown])[] => {
    const value = file[name]
    if (value === undefined || value === null) return []
    if (!isFields(value)) errors.push(`${name} must be an object.`)
    else if (Object.keys(value).length > entriesMax) errors.push(`${name} has over ${entriesMax} entries.`)
    else return Object.entries(value)
    return []
  }
  const items = (name: string): readonly unknown[] => {
    const value = file[name] ?? []
    if (Array.isArray(value) && value.length <= entriesMax) return value
    errors.push(`${name} must be a list of ${entriesMax} at most.`)
    return []
  }
  const word = (name: string): string | undefined => {
    const value = file[name]
    if (value === undefined || value === null || value === '') return undefined
    if (typeof value === 'string') return value
    errors.push(`${name} must be a string.`)
    return undefined
  }
  const env: Record<string, EnvWish> = {}
  for (const [name, value] of section('env')) {
    const wish = wishOf(value)
    if (!namePattern.test(name)) errors.push(`env: ${name.slice(0, 100)} is no name of a config var.`)
    else if (typeof wish === 'string') errors.push(`env.${name} ${wish}`)
    else env[name] = wish
  }
  const formation: Record<string, { quantity?: number; size?: string }> = {}
  for (const [type, value] of section('formation')) {
    const wanted = sizeOf(value)
    if (typeof wanted === 'string') errors.push(`formation.${type.slice(0, 100)} ${wanted}`)
    else formation[type] = wanted
  }
  const named = (name: string, key: string): string[] =>
    items(name).flatMap((item, at) => {
      const value = isFields(item) ? item[key] : item
      if (typeof value === 'string' && value !== '') return [value]
      errors.push(`${name}[${at}] must have ${key}, a string.`)
      return []
    })
  const script = isFields(file['scripts']) ? file['scripts']['postdeploy'] : undefined
  const postdeploy = isFields(script) ? script['command'] : script
  if (postdeploy !== undefined && postdeploy !== null && typeof postdeploy !== 'string')
    errors.push('scripts.postdeploy must be a command.')
  const manifest: Manifest = {
    env,
    formation,
    buildpacks: named('buildpacks', 'url'),
    stack: word('stack'),
    postdeploy: typeof postdeploy === 'string' && postdeploy.trim() !== '' ? postdeploy : undefined,
    successUrl: word('success_url'),
    addons: named('addons', 'plan'),
  }
  return { manifest, errors }
}

const fieldsOf = (text: string, errors: string[]): Fields => {
  try {
    const value: unknown = JSON.parse(text)
    if (isFields(value)) return value
    errors.push('app.json must be an object.')
  } catch (error) {
    errors.push(`app.json is not valid JSON: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  return {}
}

/** The wish, or what is wrong with it. */
const wishOf = (value: unknown): EnvWish | string => {
  if (typeof value === 'string') return { kind: 'value', value }
  if (!isFields(value)) return 'must be a string or an object.'
  const { value: given, generator, required } = value
  if (typeof given === 'string') return { kind: 'value', value: given }
  if (given !== undefined && given !== null) return 'must have a string for its value.'
  if (generator !== undefined && generator !== null)
    return generator === 'secret' ? { kind: 'secret' } : 'has an unknown generator; there is: secret.'
  return { kind: required === false ? 'optional' : 'required' }
}

const sizeOf = (value: unknown): { quantity?: number; size?: string } | string => {
  if (!isFields(value)) return 'must be an object.'
  const { quantity, size } = value
  if (quantity !== undefined && !(Number.isSafeInteger(quantity) && (quantity as number) >= 0))
    return 'must have a whole number for its quantity.'
  if (size !== undefined && typeof size !== 'string') return 'must have a name for its size.'
  return {
    ...(quantity === undefined ? {} : { quantity: quantity as number }),
    ...(size === undefined ? {} : { size }),
  }
}
