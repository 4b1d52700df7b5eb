/** Where this platform is, as its API shows it: the same on every host that is set the same. */
import type { Settings } from '../../config/load.ts'
import type { Addresses } from '../api/edge.ts'

export const addressesOf = ({ port, appDomain, routerPort }: Settings): Addresses => ({
  apiUrl: `http://localhost:${port}`,
  secureHost: `localhost:${port}`,
  appDomain,
  routerPort,
})
