/**
 * A command line for each command that the stock CLI lists, in groups whose lines follow each other. Groups
 * have nothing of each other's. What stands behind `#` is how the command differs from Heroku's.
 */
import { services } from './services.ts'

export const groups: Readonly<Record<string, string>> = {
  ...services,
  apps: `
    apps
    apps:create made -n
    apps:info -a shop
    apps:rename remade -a made
    apps:diff shop remade
    apps:stacks -a shop
    apps:stacks:set debian-12 -a remade
    apps:open -a shop
    apps:create crewed -t crew -n
    apps -t crew
    apps -A
    access:add friend@example.com -a crewed -p deploy,operate
    access:update friend@example.com -a crewed -p manage
    access -a crewed
    access:remove friend@example.com -a crewed
    apps:lock -a crewed
    apps:unlock -a crewed
    apps:leave -a crewed
    apps:join -a crewed
    apps:transfer crew -a remade
    apps:info -a remade
    apps:transfer owner@manifold.local -a remade --confirm remade
    apps:lock -a remade
    apps:leave -a remade
    apps:errors -a shop
    apps:favorites
    apps:favorites:add -a shop
    apps:favorites:remove -a shop
    apps:destroy -a remade --confirm remade
    maintenance -a shop
    maintenance:on -a shop
    maintenance:off -a shop
    access -a shop
    access:add friend@example.com -a shop
    apps:transfer friend@example.com -a shop
    access:update friend@example.com -a shop -p view
    access:remove friend@example.com -a shop
    git:remote -a shop -r there
    git:clone -a shop cloned
    regions
    status # green whenever it answers
  `,
  account: `
    auth:whoami
    auth:token
    auth:2fa
    auth:2fa:disable
    auth:login
    authorizations
    authorizations:create -d robot
    authorizations:info {authorization}
    authorizations:update {authorization} -d machine
    authorizations:rotate {authorization}
    authorizations:revoke {authorization}
    clients
    clients:create mine https://example.com/callback
    clients:info {client} # its secret was told once, when it was made
    clients:update {client} -n other
    clients:rotate {client}
    clients:destroy {client}
    sessions
    sessions:destroy {session} # there was none
    keys
    keys:add {key}
    keys:remove ada@laptop
    keys:clear
    accounts:add mine
    accounts
    accounts:remove mine
    accounts:add mine
    accounts:set mine
    accounts:current
    notifications
    orgs
    orgs:open -t crew # opens Heroku's own dashboard
    teams
    members:add friend@example.com -r member -t crew
    members:set friend@example.com -r admin -t crew
    members -t crew
    members:set friend@example.com -r king -t crew
    members:remove friend@example.com -t crew
  `,
  config: `
    config:set A=1 B=two -a conf
    config -a conf
    config:get A -a conf
    config:edit -a conf
    config:unset A -a conf
    features -a conf
    features:enable preboot -a conf
    features:info preboot -a conf
    features:disable preboot -a conf
    labs -a conf
    labs:enable log-runtime-metrics -a conf
    labs:info log-runtime-metrics -a conf
    labs:disable log-runtime-metrics -a conf --confirm conf
    buildpacks:set heroku/nodejs -a conf
    buildpacks:add heroku/python -a conf
    buildpacks -a conf
    buildpacks:remove heroku/python -a conf
    buildpacks:clear -a conf
    buildpacks:search python
    buildpacks:info heroku/python
    buildpacks:versions heroku/python
    domains:add www.example.com -a conf
    domains -a conf
    domains:info www.example.com -a conf
    domains:wait www.example.com -a conf
    domains:clear -a conf
    drains:add https://logs.example.com/in -a conf
    drains -a conf
    drains:remove https://logs.example.com/in -a conf
    telemetry -a conf
    telemetry:add https://otlp.example.com --signals logs -a conf
    telemetry:info {telemetry}
    telemetry:update {telemetry} --endpoint https://otlp.example.org
    telemetry:remove {telemetry}
    telemetry:remove -a conf
  `,
  webhooks: `
    webhooks -a hooks-app
    webhooks:info {webhook} -a hooks-app
    webhooks:deliveries -a hooks-app
    webhooks:deliveries:info {delivery} -a hooks-app
    ? webhooks:events -a hooks-app
    webhooks:events:info {event} -a hooks-app
    webhooks:update {webhook} -i api:release -l sync -u https://hooks.example.com/in -a hooks-app
    webhooks:add -i api:release -l notify -u https://hooks.example.com/in -a hooks-app
    webhooks:remove {webhook} -a hooks-app
  `,
  addons: `
    addons -a conf # there are none
    addons:services
    addons:plans heroku-postgresql
    addons:create heroku-postgresql:mini -a conf
    addons:attach other -a conf
    addons:detach DATABASE -a conf
    addons:info other
    addons:docs heroku-postgresql
    addons:open other
    addons:rename other another
    addons:upgrade other:big
    addons:wait # there are none
    addons:destroy other --confirm conf
    usage:addons -a shop # there are none
  `,
  certs: `
    certs:generate www.example.com -a certs-app --now --selfsigned --subject /CN=www.example.com
    certs:add www.example.com.crt www.example.com.key -a conf-certs
    certs -a certs-app
    certs:info -a certs-app
    certs:update www.example.com.crt www.example.com.key -a certs-app --confirm certs-app
    domains:update www.example.org --cert {cert} -a certs-app
    domains:remove www.example.org -a certs-app
    certs:auto -a certs-app
    certs:auto:enable -a certs-app
    certs:auto:refresh -a certs-app
    certs:auto:disable -a certs-app --confirm certs-app
    certs:remove -a certs-app --confirm certs-app
  `,
  dynos: `
    logs -n 1 --source app --dyno-name api -a shop
    ps -a shop
    ps:scale -a shop
    ps:type -a shop
    run:inside web.1 --exit-code -a shop -- echo three
    ps:wait -a shop
    releases -a shop
    releases:info -a shop
    releases:output -a phased
    releases:rollback v3 -a shop
    releases:retry -a phased
    ps:restart -a shop
    ps:stop web.1 -a shop
    ps:autoscale:enable -a shop --min 1 --max 2
    ps:autoscale:disable -a shop
    run --exit-code --no-tty -a shop -- echo one
    run:detached -a shop -- echo two
  `,
  pipelines: `
    pipelines
    pipelines:create line -a first -s development
    pipelines:add line -a second -s staging
    pipelines:update -a second -s staging
    pipelines:info line
    pipelines:rename line track
    pipelines:promote -a first
    pipelines:diff -a first
    pipelines:create crewline -a crew-app -s production -t crew
    pipelines:info crewline
    pipelines:open track # opens Heroku's own dashboard
    pipelines:transfer owner@manifold.local -p track -c track
    pipelines:connect track -r ada/shop
    pipelines:setup track ada/shop -y
    reviewapps:create -p track -b main
    reviewapps:enable -p track
    reviewapps:disable -p track
    reviewapps:wait first
    ci -p track
    ci:config -p track
    ci:config:get A -p track
    ci:config:set A=1 -p track
    ci:config:unset A -p track
    ci:debug -p track
    ci:info 1 -p track
    ci:last -p track
    ci:migrate-manifest
    ci:open -p track # opens Heroku's own dashboard
    ci:rerun -p track
    ci:run -p track
    pipelines:remove -a second
    pipelines:destroy track
  `,
  itself: `
    autocomplete
    commands --json
    help regions
    local:version
    local -f Procfile.once
    local:run -- echo local
    plugins
    plugins:inspect heroku
    plugins:install heroku-builds # from the npm registry, which the run keeps out of
    plugins:link plug --no-install
    plugins:uninstall plug
    plugins:reset
    plugins:update
    update
    version
    version:info
    which regions
    auth:logout
  `,
}

/** Commands that are not in the run, and why. */
export const aside: Readonly<Record<string, string>> = {
  'data:pg:docs': 'asks at a terminal before it opens a page',
  'data:pg:migrate': 'asks at a terminal what to do',
  'mcp:start': 'serves an editor',
  'ps:socks': 'a proxy into a dyno, which runs until it is stopped',
  repl: 'a prompt for the commands above',
  search: 'needs a terminal',
}
/** Commands that another test shows: they take the machine's port 80, of which there is one. */
export const elsewhere: Readonly<Record<string, string>> = {
  'ps:copy': 'test/e2e/exec.test.ts',
  'ps:exec': 'test/e2e/exec.test.ts',
  'ps:forward': 'test/e2e/exec.test.ts',
}
