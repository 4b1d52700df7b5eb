/**
 * Stacks: the root file systems that apps are built on and run in, by the names that users choose from. How
 * each is made is in config/stacks/<name>.sh; a link there is another name of the same (scripts/stack).
 */
export const stacks = ['heroku-24', 'debian-12', 'host'] as const
export type StackName = (typeof stacks)[number]

/** What an app gets that says nothing: an image, and where none was made the machine itself. */
export const stackDefault = { image: 'heroku-24', noImage: 'host' } as const satisfies Record<
  string,
  StackName
>
