/**
 * What others have published of the same job, as constants: none of them runs here. Sources: HashiCorp "C1M"
 * (2016) and "C2M" (2020) pages; Diego `docs/030-scaling-and-performance-tuning.md`; Kubernetes
 * "Considerations for large clusters" (v1.32).
 */
export const documented = {
  /** Placements a second, sustained. */
  perSecond: { 'Nomad C1M 2016': 3_750, 'Nomad C2M 2020': 1_500 },
  /** Instances held in one run, or supported. */
  held: { 'Diego 2016, 1000 simulated cells': 250_000, 'Kubernetes limit': 150_000 },
} as const
