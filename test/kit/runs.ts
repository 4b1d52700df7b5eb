/** Runs and slugs as they come to a host, for tests. */
import type { Run, Slug } from '../../actors/protocols/shapes.ts'

export const slugOf = (sha256: string): Slug => ({
  id: 's1',
  sha256,
  bytes: 1,
  stack: 'heroku-24',
  commit: 'c0ffee',
  description: 'Deploy c0ffee',
  processTypes: {},
  buildpackDescription: '',
  createdAt: 0,
})

export const runOf = (name: string): Run => ({
  id: 'r1',
  appId: 'a1',
  appName: 'shop',
  name,
  type: 'run',
  command: 'echo "$WHO" from "$DYNO"; pwd',
  size: 'Basic',
  releaseId: 'rel',
  releaseVersion: 7,
  configId: '',
  slug: slugOf('0'),
  env: { TERM: 'xterm', WHO: 'one-off' },
  attach: null,
  singleton: false,
  timeToLiveMs: null,
  epoch: 1,
})
