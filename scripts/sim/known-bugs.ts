/**
 * Every bug that the simulation found, with the seed or scenario that shows it again when its fix is taken
 * out: after etcd's table of re-found issues. The seeds run as named regressions
 * (test/chaos/sim.test.ts).
 */
export type KnownBug = {
  readonly name: string
  readonly what: string
  readonly fix: string
  /** A seed of the platform, or a chaos scenario in the simulation with its seed. */
  readonly shown: { readonly seed: number } | { readonly scenario: string; readonly seed: number }
}

export const knownBugs: readonly KnownBug[] = [
  {
    name: 'brake-released-by-the-first-one-back',
    what: 'The brake ended with the first host that was heard again; those a moment behind it were replaced.',
    fix: 'src/membership/roll.ts: the brake holds for suspectMs after its reason is gone.',
    shown: { scenario: 'mass-death-brake', seed: 1 },
  },
  {
    name: 'routes-wait-for-the-clock',
    what: "A host's wall clock went back an hour: its formations published no route for that hour.",
    fix: 'actors/formation.ts: the gathering of route changes counts no negative time.',
    shown: { scenario: 'clock-jump', seed: 1 },
  },
  {
    name: 'missing-since-the-cold-start',
    what:
      'After a cold start without one of the hosts no view named it: what the record had on it was ' +
      'started nowhere until it was back.',
    fix:
      'actors/formation/recall.ts tells placement of runs that nobody else knows of; the membership ' +
      'begins with the hosts on record (Members.known).',
    shown: { scenario: 'cold-start-one-missing', seed: 1 },
  },
]

export const replayOf = ({ shown }: Pick<KnownBug, 'shown'>): string =>
  'scenario' in shown
    ? `npm run chaos -- ${shown.scenario} --world sim --seed ${shown.seed}`
    : `npm run sim -- --scenario platform --seed ${shown.seed}`
