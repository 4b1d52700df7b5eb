/** The git repository of an app. */
import { accepted, endpoint } from '../endpoint.ts'
import { thisApp } from './app-of.ts'

export const repository = [
  endpoint({
    name: 'repository.reset',
    http: { method: 'DELETE', path: '/apps/:app/repository' },
    summary: 'Empty the repository: the next push is like the first; releases and dynos stay',
    needs: 'deploy',
    async run(request, edge) {
      const app = await thisApp(request, edge)
      await edge.repositories.reset(app.id)
      return accepted()
    },
  }),
]
