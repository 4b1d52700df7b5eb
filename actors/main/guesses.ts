/** Guesses at passwords and tokens, as all control hosts count them. */
import type { Clock } from '../../src/ports/clock.ts'
import type { Transport } from '../../src/ports/transport.ts'
import { createAttempts, freeGuesses, type Attempts } from '../api/accounts/attempts.ts'
import { sharedAttempts } from '../api/accounts/shared-attempts.ts'

export type Guesses = {
  readonly passwords: Attempts
  readonly tokens: Attempts
  readonly close: () => void
}

export const openGuesses = (deps: {
  readonly transport: Pick<Transport, 'publish' | 'subscribe'>
  readonly clock: Clock
  readonly admits: (host: string) => boolean
}): Guesses => {
  const now = (): number => deps.clock.now()
  const passwords = sharedAttempts({ ...deps, topic: 'guesses-passwords', counted: createAttempts(now) })
  const tokens = sharedAttempts({
    ...deps,
    topic: 'guesses-tokens',
    counted: createAttempts(now, freeGuesses),
  })
  return {
    passwords,
    tokens,
    close: () => {
      passwords.close()
      tokens.close()
    },
  }
}
