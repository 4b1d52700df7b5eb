/**
 * What a push asks for: which of its ref updates is to be built, which are merely kept, which are refused.
 * Pure.
 *
 * Source: spec/dyno.md §2.2 (Heroku builds main and master alone; other branches are accepted and not built).
 */

/** One line of what a pre-receive hook is told; an id of all zeros means "not there". */
export type RefUpdate = { readonly from: string; readonly to: string; readonly ref: string }

export type Verdict =
  | {
      readonly kind: 'build'
      readonly branch: 'main' | 'master'
      readonly commit: string
      readonly previous?: string
    }
  | { readonly kind: 'skip'; readonly text: string }
  | { readonly kind: 'refuse'; readonly text: string }

const branches = ['main', 'master'] as const

export const isZero = (id: string): boolean => /^0+$/.test(id)

/**
 * Judges a whole push: one refused update refuses all, as git's pre-receive hook can only answer for all at
 * once.
 */
export function judge(updates: readonly RefUpdate[]): Verdict {
  for (const branch of branches) {
    const update = updates.find((each) => each.ref === `refs/heads/${branch}`)
    if (update !== undefined && isZero(update.to))
      return { kind: 'refuse', text: `!\tPush rejected, cannot delete ${branch} branch\n` }
  }
  for (const branch of branches) {
    const update = updates.find((each) => each.ref === `refs/heads/${branch}`)
    if (update === undefined) continue
    const previous = isZero(update.from) ? {} : { previous: update.from }
    return { kind: 'build', branch, commit: update.to, ...previous }
  }
  return { kind: 'skip', text: 'Pushed to branch other than [main, master], skipping build.\n' }
}
