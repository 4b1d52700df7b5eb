/** What only the owner of the platform may ask for. */
import type { Who } from '../protocols/shapes.ts'
import type { Edge } from './edge.ts'
import { ApiError } from './errors.ts'

/** @throws ApiError `forbidden` */
export const needOwner = ({ who }: { readonly who: Who }, { accounts }: Pick<Edge, 'accounts'>): void => {
  if (who.id !== accounts.owner().id)
    throw new ApiError('forbidden', 'Only the owner of this platform may do this.')
}
