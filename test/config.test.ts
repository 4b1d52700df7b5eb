/** What an operator sets and sees: settings from the environment, and the supervision trees as printed. */
import t from 'tap'
import { hostTree, routerTree } from '../actors/tree.ts'
import { loadSettings, SettingsError } from '../config/load.ts'
import { format } from '../src/runtime/tree.ts'

const joinUrl = `https://10.0.0.9:5100/join/abc?ca=${'0'.repeat(64)}`
const home = { HOME: '/home/ada', PATH: '/usr/bin' }

t.test('settings have the documented defaults', async (t) => {
  const settings = loadSettings(home)
  t.match(settings, {
    home: '/home/ada/.manifold',
    port: 5000,
    routerPort: 8080,
    routerTlsPort: 8443,
    routerBalancers: [],
    routerTlsBalancers: [],
    appDomain: 'localhost',
    clusterPort: 5100,
    address: undefined,
    roles: ['control', 'dyno', 'router', 'logplex'],
    labels: {},
    join: undefined,
    natsUrls: undefined,
    driver: undefined,
    dynoMemoryBytes: undefined,
    stack: undefined,
    sample: true,
    buildpacks: '/home/ada/.manifold/registry',
    buildMirror: undefined,
    searchPath: '/usr/bin',
    buildEnv: {},
  })
  t.ok(settings.routerShards >= 2)
})

t.test('settings are taken from the environment, and builds inherit where packages come from', async (t) => {
  const settings = loadSettings({
    ...home,
    MANIFOLD_HOME: '/srv/m',
    MANIFOLD_PORT: '5100',
    MANIFOLD_ROUTER_PORT: '8100',
    MANIFOLD_ROUTER_SHARDS: '3',
    MANIFOLD_ROUTER_PROXY_PROTOCOL: '10.0.0.5, 10.1.0.0/16,2001:db8::/32',
    MANIFOLD_APP_DOMAIN: 'apps.example.com',
    MANIFOLD_NATS_URL: 'nats://127.0.0.1:4222,tls://10.0.0.2:4222',
    MANIFOLD_CLUSTER_PORT: '7400',
    MANIFOLD_ADDRESS: '10.0.0.1',
    MANIFOLD_ROLES: 'router,dyno',
    MANIFOLD_LABELS: 'zone=a,disk=ssd',
    MANIFOLD_JOIN: joinUrl,
    MANIFOLD_DRIVER: 'process',
    MANIFOLD_DYNO_MEMORY_MB: '2048',
    MANIFOLD_STACK: 'host',
    MANIFOLD_SAMPLE: '0',
    npm_config_registry: 'https://packages.example.com/',
    SECRET: 'x',
  })
  t.match(settings, {
    home: '/srv/m',
    port: 5100,
    routerPort: 8100,
    routerTlsPort: 8463,
    routerShards: 3,
    routerBalancers: ['10.0.0.5', '10.1.0.0/16', '2001:db8::/32'],
    routerTlsBalancers: ['10.0.0.5', '10.1.0.0/16', '2001:db8::/32'],
    appDomain: 'apps.example.com',
    natsUrls: ['nats://127.0.0.1:4222', 'tls://10.0.0.2:4222'],
    clusterPort: 7400,
    address: '10.0.0.1',
    roles: ['dyno', 'router'],
    labels: { zone: 'a', disk: 'ssd' },
    join: joinUrl,
    driver: 'process',
    dynoMemoryBytes: 2 ** 31,
    stack: 'host',
    sample: false,
  })
  const plainAlone = {
    MANIFOLD_ROUTER_PROXY_PROTOCOL: '10.0.0.5',
    MANIFOLD_ROUTER_TLS_PROXY_PROTOCOL: 'none',
  }
  t.match(loadSettings({ ...home, ...plainAlone }), { routerBalancers: ['10.0.0.5'], routerTlsBalancers: [] })
  t.same(settings.buildEnv, { npm_config_registry: 'https://packages.example.com/' })
})

t.test('a wrong setting is refused in one line that names it, its value and what is allowed', async (t) => {
  const wrong: Readonly<Record<string, readonly [string, string]>> = {
    MANIFOLD_PORT: ['http', 'a port from 1 to 65535'],
    MANIFOLD_ROUTER_PORT: ['70000', 'a port from 1 to 65535'],
    MANIFOLD_ROUTER_TLS_PORT: ['5000', 'a port other than MANIFOLD_PORT and MANIFOLD_ROUTER_PORT'],
    MANIFOLD_ROUTER_SHARDS: ['9', 'a number from 1 to 8'],
    MANIFOLD_HOME: ['~/m', 'a path without ~'],
    MANIFOLD_APP_DOMAIN: ['Apps_', 'a lower-case domain name'],
    MANIFOLD_NATS_URL: ['http://x', 'nats://host:port or tls://host:port, several with commas'],
    MANIFOLD_DRIVER: ['docker', 'oci or process'],
    MANIFOLD_DYNO_MEMORY_MB: ['511', 'a number of megabytes from 512 to 1073741824'],
    MANIFOLD_STACK: ['heroku-16', 'heroku-24, debian-12, host'],
    MANIFOLD_SAMPLE: ['yes', '0 or 1'],
    MANIFOLD_BUILD_MIRROR: ['mirror', 'the absolute path of a folder'],
    MANIFOLD_BUILDPACKS: ['packs', 'the absolute path of a folder'],
    MANIFOLD_SSH: ['localhost:80', 'off, or an IPv4 address of this machine like 127.0.0.1:80'],
    MANIFOLD_JOIN: ['nats://x', 'the join URL that a host of the cluster printed'],
    MANIFOLD_ROLES: ['control,web', 'some of control,dyno,router,logplex, each once'],
    MANIFOLD_LABELS: ['zone', 'name=value pairs like zone=a,disk=ssd, each name once'],
    MANIFOLD_ADDRESS: ['host-2', 'an IPv4 address of this machine'],
    MANIFOLD_CLUSTER_PORT: ['65534', 'a port from 1 to 65532'],
    MANIFOLD_LOGPLEX_PORT: ['8080', 'a port other than 5000, 8080, 8443, which are in use'],
  }
  for (const [name, [value, allowed]] of Object.entries(wrong)) {
    const load = (): unknown => loadSettings({ ...home, [name]: value })
    t.throws(
      load,
      new SettingsError(`${name}=${JSON.stringify(value)} is not allowed: want ${allowed}`),
      name,
    )
  }
  for (const value of [
    '10.0.0.256',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '::1/129',
    'lb.example',
    '10.0.0.1,',
  ])
    for (const name of ['MANIFOLD_ROUTER_PROXY_PROTOCOL', 'MANIFOLD_ROUTER_TLS_PROXY_PROTOCOL'])
      t.throws(
        () => loadSettings({ ...home, [name]: value }),
        new SettingsError(
          `${name}=${JSON.stringify(value)} is not allowed: want none, or addresses and ranges of load balancers like 10.0.0.5,10.1.0.0/16`,
        ),
        value,
      )
  const ssh = (value: string) => loadSettings({ ...home, MANIFOLD_SSH: value }).ssh
  t.same(ssh(''), { host: '127.0.0.1', port: 80 })
  t.same(ssh('10.0.0.5'), { host: '10.0.0.5', port: 80 })
  t.same(ssh('127.0.0.9:2222'), { host: '127.0.0.9', port: 2222 })
  t.equal(ssh('off'), undefined)
  for (const value of ['127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1:80:80', '::1', '80'])
    t.throws(() => ssh(value), SettingsError, value)
  t.throws(() => loadSettings({ ...home, MANIFOLD_PORT: '5061' }), /a port that HTTP clients do not block/)
  t.throws(() => loadSettings({ ...home, MANIFOLD_ROUTER_PORT: '5000' }), /a port other than MANIFOLD_PORT/)
  t.throws(() => loadSettings({ ...home, MANIFOLD_CLUSTER_PORT: '4998' }), /free of 5000, which is in use/)
})

t.test('the supervision trees are as they are meant to be', async (t) => {
  t.equal(
    format(hostTree()),
    `host/  one_for_one 5/60000ms stop<=75000ms
  apps/  one_for_one 20/60000ms stop<=55000ms
    placement  placement permanent stop<=5000ms
    channel/*  keyed @logplex idle 300000ms stop<=5000ms
    drain/*  keyed durable @logplex idle 300000ms stop<=5000ms
    releases/*  keyed durable @control idle 300000ms stop<=5000ms
    formation/*  keyed durable @control idle 300000ms stop<=5000ms
    app/*  keyed durable @control idle 300000ms stop<=5000ms
    team/*  keyed durable @control idle 300000ms stop<=5000ms
    webhooks/*  keyed durable @control idle 300000ms stop<=5000ms
    pipeline/*  keyed durable @control idle 300000ms stop<=5000ms
    promotion/*  keyed durable @control idle 300000ms stop<=5000ms
    setup/*  keyed durable @control idle 300000ms stop<=5000ms
  compiler/  rest_for_one 10/60000ms stop<=10000ms
    builds  builds permanent stop<=5000ms
    build/*  dynamic temporary stop<=5000ms
  dynos/  rest_for_one 10/60000ms stop<=10000ms
    host  host permanent stop<=5000ms
    dyno/*  dynamic temporary stop<=5000ms`,
  )
  t.equal(
    format(routerTree()),
    `router/  one_for_one 10/60000ms stop<=5000ms
  shard  shard permanent stop<=5000ms`,
  )
})
