/** The app actor, driven by hand up to where it can be used. */
import { app } from '../../actors/app.ts'
import { drive } from './drive.ts'

export const owner = { id: 'u1', email: 'me@example.com' }
const appKey = 'app-1'

/** It was asked for, and nobody has answered it yet. */
export const creatingApp = () => {
  const a = drive(app, { key: appKey, args: undefined })
  a.send({ type: 'create', name: 'demo', owner, region: 'us', stack: 'heroku-24' })
  return a
}

/**
 * With its name, its releases and its formation, and in its owner's list; what it
 * asked for on the way is still to be seen.
 */
export const liveApp = () => {
  const a = creatingApp()
  a.done('names.claim')
  a.answered('open', {})
  a.answered('open', {})
  a.done('access.show')
  return a
}

export type DrivenApp = ReturnType<typeof creatingApp>

/** Whoever comes after a crash. */
export const againApp = (a: DrivenApp): DrivenApp =>
  drive(app, { key: appKey, args: undefined, saved: a.saved()! })
