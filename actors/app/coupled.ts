/** Which pipeline an app is in: one at most, and the app decides. Pure. */
import { pipelineIdOf, type AppView } from '../protocols/app.ts'

type Asked = { readonly pipelineId: string; readonly at: number }
type Refusal = { readonly code: 'invalid_params' | 'conflict'; readonly reason: string }

/** Asked again, it is as it was. What came late, after its own end, is refused. */
export const couple = (app: AppView, { pipelineId, at }: Asked): AppView | Refusal => {
  const { coupled } = app
  const isSame = coupled?.pipelineId === pipelineId
  if (pipelineIdOf(app) !== undefined && !isSame)
    return { code: 'invalid_params', reason: `App ${app.name} is already in another pipeline` }
  if (isSame && (at < coupled.at || (coupled.isOver && at === coupled.at)))
    return { code: 'conflict', reason: 'This app has left the pipeline meanwhile. Please try again.' }
  return { ...app, coupled: { pipelineId, at, isOver: false } }
}

/** Kept as over, so that what was asked before it and comes after it is known to be late. */
export const uncouple = (app: AppView, { pipelineId, at }: Asked): AppView => {
  const { coupled } = app
  const isNone = pipelineIdOf(app) === undefined
  const isIts = coupled?.pipelineId === pipelineId && coupled.at <= at
  return isNone || isIts ? { ...app, coupled: { pipelineId, at, isOver: true } } : app
}
