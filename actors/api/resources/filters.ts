/** Filters: lists of what is asked for by id, of any length. */
import { is } from '../../../src/runtime/index.ts'
import { endpoint } from '../endpoint.ts'
import { invalid } from '../errors.ts'
import { cut, listOf } from '../range.ts'
import { appBody } from '../shapes/app.ts'
import { infos } from './apps.ts'

const idsMax = 1_000

export const filters = [
  endpoint({
    name: 'filters.apps',
    http: { method: 'POST', path: '/filters/apps' },
    summary: 'Apps by their ids; what the caller may not see is left out',
    needs: 'view',
    scope: 'read',
    changes: false,
    body: is.obj({ in: is.opt(is.obj({ id: is.opt(is.arr(is.str)) })) }),
    async run(request, edge) {
      const ids = request.body.in?.id ?? []
      if (ids.length > idsMax) throw invalid(`Invalid params: in.id must not have more than ${idsMax} ids.`)
      const found = await infos(
        request,
        edge,
        [...new Set(ids)].map((id) => ({ id })),
      )
      const page = cut(found, request.range, { id: (app) => app.id, name: (app) => app.name })
      return listOf(page, (app) => appBody(app, edge.settings))
    },
  }),
]
