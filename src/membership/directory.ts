/**
 * The view as the runtime knows it (ports/directory.ts): hosts that are up or draining. Only a change of who
 * is there, or of what they do, is one.
 */
import type { Directory, View } from '../ports/directory.ts'
import type { Membership } from './contract.ts'
import { isUp } from './seen.ts'

export type Watched<T> = {
  readonly onChange: (changed: (value: T) => void) => void
  readonly tell: (value: T) => void
}

export const watched = <T>(): Watched<T> => {
  const listeners: ((value: T) => void)[] = []
  return {
    onChange: (changed) => void listeners.push(changed),
    tell: (value) => {
      for (const listener of listeners) listener(value)
    },
  }
}

/** @returns the directory, and what tells it of the next view */
export const directoryOf = (): {
  readonly directory: Directory
  readonly follow: (view: Membership) => void
} => {
  const changes = watched<View>()
  let view: View = { number: 0, hosts: [] }
  let text = ''
  return {
    directory: { view: () => view, onChange: changes.onChange },
    follow: ({ number, members }) => {
      const hosts = members.filter(isUp).map(({ name, roles }) => ({ name, roles }))
      const next = hosts.map(({ name, roles }) => `${name} ${roles.join(' ')}`).join('\n')
      if (next === text) return
      text = next
      view = { number, hosts }
      changes.tell(view)
    },
  }
}
