/** Features that an app has from its first moment on (`heroku create --features preboot`). */
import { appFeatures, isOnByItself, markOf } from '../../../config/features.ts'
import { is, ref } from '../../../src/runtime/index.ts'
import { App, type AppView } from '../../protocols/app.ts'
import type { Request } from '../endpoint.ts'
import { invalid } from '../errors.ts'

/** The CLI sends them as one text. */
export const flagsShape = is.opt(is.orNull(is.union(is.str, is.arr(is.str, 20))))

/** @throws ApiError `invalid_params` */
export const flagsIn = (given: string | readonly string[] | null | undefined): readonly string[] => {
  const names = typeof given === 'string' ? given.split(/[\s,]+/) : (given ?? [])
  const wanted = [...new Set(names.filter((name) => name !== ''))]
  const unknown = wanted.find((name) => !appFeatures.some((one) => one.name === name))
  if (unknown === undefined) return wanted
  const allowed = appFeatures.map(({ name }) => name).join(', ')
  throw invalid(`Invalid feature_flags: ${JSON.stringify(unknown.slice(0, 100))} (allowed: ${allowed})`)
}

/** Once it is there: to do so again changes nothing. */
export const turnedOn = async (
  request: Request,
  made: AppView,
  flags: readonly string[],
): Promise<AppView> => {
  let app = made
  for (const flag of flags) {
    const mark = { name: markOf(flag), enabled: !isOnByItself(flag) }
    app = await request.ask(ref(App, made.id), { type: 'feature', ...mark })
  }
  return app
}
