/**
 * What others do by default from the loss of a machine until its work is started elsewhere, in ms, without
 * the work's own boot. From documents and constants in code, not measured here.
 */
export const anchors = {
  // kubernetes/website nodes.md: node-monitor-grace 50 s (since 1.32), then the NoExecute toleration of 300
  // s.
  Kubernetes: 350_000,
  // hashicorp/nomad nomad/config.go, heartbeat.go: TTL 10 to 20 s and grace 10 s, up to 100 clients; the
  // middle.
  Nomad: 25_000,
  // moby/swarmkit manager/dispatcher: a beat each 5 s, three may be missed.
  Swarm: 15_000,
  // cloudfoundry/locket schema.go: presence TTL 15 s, then at once.
  Diego: 15_000,
} as const
