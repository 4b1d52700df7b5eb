/** The client of the simulated platform: what it was told, against which the platform is held. */
/** What a client knows of an app: only what was answered. */
export type Known = {
  readonly id: string
  readonly name: string
  created: boolean
  /** A webhook that tells of releases is on record; and of these versions it need not. */
  hooked: boolean
  readonly before: Set<number>
  /** Asked for at least once: whether it happened is not known until answered. */
  destroying: boolean
  destroyed: boolean
  /** Acknowledged releases: version to id or config id. */
  readonly releases: Map<number, { readonly id?: string; readonly configId?: string }>
  /** The last acknowledged scale, unless a later one's outcome is unknown. */
  scale: Map<string, number> | undefined
  /** Scale requests on their way or lost: while there are any, the scale is not known. */
  scaling: number
  slugs: number
}
