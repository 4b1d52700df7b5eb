/** A host is who its certificate says, at whatever address it answers. */
import type { PeerCertificate } from 'node:tls'

type Check = (address: string, certificate: Pick<PeerCertificate, 'subject'>) => Error | undefined

export const isHost =
  (host: string): Check =>
  (_address, { subject }) =>
    subject.CN === host
      ? undefined
      : Object.assign(new Error(`${String(subject.CN)} answers in place of ${host}`), {
          code: 'ERR_TLS_CERT_ALTNAME_INVALID',
        })
