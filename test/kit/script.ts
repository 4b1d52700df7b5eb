/** A case that is played by hand on both sides: what one of them does depends on what the other has seen. */
import type { Test } from 'tap'
import { until } from './until.ts'
import type { Peer } from './proxy.ts'
import { raw, type Place, type PlaceOptions, type Stage } from './stage.ts'

export type Script = {
  readonly name: string
  /** Cases of vegur's suites that it stands for. */
  readonly vegur?: readonly string[]
  readonly place?: Omit<PlaceOptions, 'onDyno'>
  readonly play: (t: Test, place: Place, stage: Stage) => Promise<void>
}

export const playScript = async (t: Test, stage: Stage, script: Script): Promise<void> => {
  const place = await stage.open(script.place)
  try {
    await t.test(`${stage.name}: ${script.name}`, (t) => script.play(t, place, stage))
  } finally {
    await place.close()
  }
}

/** Sends raw text as cases write it. */
export const say = (peer: Peer, text: string): Peer => peer.send(raw(text, ''))

/** Waits until the connection is gone or ended, however that came. */
export const gone = (peer: Peer): Promise<boolean> =>
  until(() => peer.ended || peer.closed, {
    what: `the end of a connection that saw ${peer.text.slice(0, 200)}`,
  })

/** The first connection to the dyno, once the head of a request is there. */
export const askedDyno = async (place: Place): Promise<Peer> => {
  const dyno = await place.dyno.peer(0)
  await dyno.sees('\r\n\r\n')
  return dyno
}
