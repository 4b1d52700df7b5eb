/** What the bench and its process of simulated hosts agree on. */
import type { FleetView } from '../../../actors/protocols/shapes.ts'

export const cluster = 'bench'
export const control = 'control'
export const dynosPerHost = 250
const dynoBytes = 512 * 2 ** 20
/** Room for what each host is to hold, and a little more: where a lost host's runs go. */
export const memoryBytes = (dynosPerHost + 6) * dynoBytes

export const hostNames = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `host-${at + 1}`)

/** The controller, which leads, and the hosts; some of them suspects. */
export const viewOf = (
  number: number,
  hosts: readonly string[],
  suspects: readonly string[] = [],
): FleetView => ({
  number,
  leader: control,
  braked: false,
  members: [
    { name: control, incarnation: 1, roles: ['control'], labels: {}, state: 'up' },
    ...hosts.map((name, at) => ({
      name,
      incarnation: 1,
      roles: ['dyno'],
      labels: { zone: `z${at % 3}` },
      state: suspects.includes(name) ? ('suspect' as const) : ('up' as const),
    })),
  ],
})

export type Order =
  | {
      readonly what: 'start'
      readonly urls: readonly string[]
      readonly user: string
      readonly password: string
      readonly hosts: number
    }
  /** Say when so many runs were launched. */
  | { readonly what: 'await'; readonly launched: number }

/** `at`: epoch ms. */
export type Said =
  | { readonly what: 'ready' }
  | { readonly what: 'failed'; readonly reason: string }
  | { readonly what: 'launched' | 'reached'; readonly launched: number; readonly at: number }
