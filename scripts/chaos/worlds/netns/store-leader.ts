/** Prints the name of the host whose bus server leads the record: run on a machine of the lab. */
import { readFileSync } from 'node:fs'
import { connect } from '../../../../src/nats/connection.ts'
import { jetStream } from '../../../../src/nats/jetstream.ts'

const [home = '', host = ''] = process.argv.slice(2)
const nkeySeed = readFileSync(`${home}/keys/host.nkey`, 'utf8').trim()
const { urls } = JSON.parse(readFileSync(`${home}/run/bus.json`, 'utf8')) as { readonly urls: string[] }
const ca = readFileSync(`${home}/keys/ca.pem`, 'utf8')
const connection = await connect({ urls, nkeySeed, ca, host, connectMsMax: 5_000 })
type Info = { readonly cluster?: { readonly leader?: string } }
const { cluster } = await jetStream(connection).call<Info>('STREAM.INFO.KV_manifold', {})
console.log(cluster?.leader ?? host)
await connection.close()
