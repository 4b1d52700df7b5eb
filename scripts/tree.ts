/**
 * `npm run tree`: the supervision trees as they would start, each checked first.
 */
import { hostTree, routerTree } from '../actors/tree.ts'
import { check, format } from '../src/runtime/index.ts'

for (const tree of [hostTree(), routerTree()]) {
  check(tree)
  process.stdout.write(`${format(tree)}\n\n`)
}
