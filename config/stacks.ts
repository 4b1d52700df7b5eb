/**
 * Stacks: the root file systems that apps are built on and run in, by the names that users choose from. How
 * each is made is in config/stacks/<name>.sh; a link there is another name of the same (scripts/stack).
 */
export type Stack = { readonly name: string; readonly about: string }

/** The first is what an app gets that says nothing. */
export const stacks: readonly Stack[] = [
  { name: 'heroku-24', about: 'debian-12, by the name that buildpacks ask for' },
  { name: 'debian-12', about: 'Debian 12 with what images of Heroku hold, as far as Debian has it' },
]
