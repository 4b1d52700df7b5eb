/**
 * Commands of services that Heroku hosts beside apps: databases, caches, private spaces, the registry of
 * images. A line for each, as in cases.ts.
 */
export const services: Readonly<Record<string, string>> = {
  postgres: `
    pg -a data-app # there are none
    pg:backups -a data-app --confirm data-app
    pg:backups:cancel -a data-app
    pg:backups:capture -a data-app
    pg:backups:delete b001 -a data-app --confirm data-app
    pg:backups:download -a data-app
    pg:backups:info -a data-app
    pg:backups:restore https://example.com/dump DATABASE -a data-app --confirm data-app
    pg:backups:schedule -a data-app --at 02:00
    pg:backups:schedules -a data-app
    pg:backups:unschedule -a data-app
    pg:backups:url -a data-app
    pg:bloat -a data-app
    pg:blocking -a data-app
    pg:cache-hit -a data-app
    pg:calls -a data-app
    pg:connection-pooling:attach -a data-app
    pg:copy DATABASE_URL DATABASE_URL -a data-app --confirm data-app
    pg:credentials -a data-app
    pg:credentials:create -a data-app --name reader
    pg:credentials:destroy -a data-app --name reader --confirm data-app
    pg:credentials:repair-default -a data-app --confirm data-app
    pg:credentials:rotate -a data-app --confirm data-app
    pg:credentials:url -a data-app
    pg:diagnose -a data-app
    pg:extensions -a data-app
    pg:fdwsql mine -a data-app
    pg:index-size -a data-app
    pg:index-usage -a data-app
    pg:info -a data-app # there are none
    pg:kill 1 -a data-app
    pg:killall -a data-app
    pg:links -a data-app
    ! pg:links:create other DATABASE -a data-app
    pg:links:destroy DATABASE link -a data-app --confirm data-app
    pg:locks -a data-app
    pg:long-running-queries -a data-app
    pg:mandelbrot -a data-app
    pg:outliers -a data-app
    pg:promote DATABASE -a data-app
    pg:ps -a data-app
    pg:psql -a data-app
    pg:pull DATABASE_URL mine -a data-app
    pg:push mine DATABASE_URL -a data-app
    pg:records-rank -a data-app
    pg:reset -a data-app --confirm data-app
    pg:seq-scans -a data-app
    pg:settings -a data-app
    pg:settings:auto-explain -a data-app
    pg:settings:auto-explain:log-analyze -a data-app
    pg:settings:auto-explain:log-buffers -a data-app
    pg:settings:auto-explain:log-format -a data-app
    pg:settings:auto-explain:log-min-duration -a data-app
    pg:settings:auto-explain:log-nested-statements -a data-app
    pg:settings:auto-explain:log-triggers -a data-app
    pg:settings:auto-explain:log-verbose -a data-app
    pg:settings:data-connector-details-logs -a data-app
    pg:settings:log-connections -a data-app
    pg:settings:log-lock-waits -a data-app
    pg:settings:log-min-duration-statement -a data-app
    pg:settings:log-min-error-statement -a data-app
    pg:settings:log-statement -a data-app
    pg:settings:track-functions -a data-app
    pg:stats-reset -a data-app
    pg:table-indexes-size -a data-app
    pg:table-size -a data-app
    pg:total-index-size -a data-app
    pg:total-table-size -a data-app
    pg:unfollow DATABASE -a data-app --confirm data-app
    pg:unused-indexes -a data-app
    pg:upgrade:cancel -a data-app --confirm data-app
    pg:upgrade:dryrun -a data-app --confirm data-app
    pg:upgrade:prepare -a data-app --confirm data-app
    pg:upgrade:run -a data-app --confirm data-app
    pg:upgrade:wait -a data-app
    pg:user-connections -a data-app
    pg:vacuum-stats -a data-app
    pg:wait -a data-app # there are none
  `,
  data: `
    data:maintenances -a data-app
    data:maintenances:history some-addon
    data:maintenances:info some-addon
    data:maintenances:run some-addon --confirm data-app
    data:maintenances:schedule some-addon
    data:maintenances:wait some-addon
    data:maintenances:window some-addon
    data:maintenances:window:update some-addon monday 10:00
    data:pg:attachments DATABASE -a data-app
    data:pg:attachments:create DATABASE -a data-app --confirm data-app
    data:pg:attachments:destroy DATABASE -a data-app --confirm data-app
    data:pg:create -a data-app --confirm data-app
    data:pg:credentials DATABASE -a data-app
    data:pg:credentials:create DATABASE -a data-app --name reader
    data:pg:credentials:destroy DATABASE -a data-app --name reader --confirm data-app
    data:pg:credentials:rotate DATABASE -a data-app --confirm data-app
    data:pg:credentials:url DATABASE -a data-app
    data:pg:destroy DATABASE --confirm data-app
    data:pg:fork DATABASE -a data-app --confirm data-app
    data:pg:info DATABASE -a data-app
    data:pg:levels
    data:pg:psql DATABASE -a data-app
    data:pg:quotas DATABASE -a data-app
    data:pg:quotas:update DATABASE -a data-app --type table
    data:pg:settings DATABASE -a data-app
    data:pg:update -a data-app
    data:pg:upgrade:run DATABASE -a data-app --confirm data-app
    data:pg:upgrade:wait DATABASE -a data-app
    data:pg:wait DATABASE -a data-app
  `,
  redis: `
    redis -a data-app # there are none
    redis:cli -a data-app --confirm data-app
    redis:credentials -a data-app
    redis:info -a data-app # there are none
    redis:keyspace-notifications -a data-app --config KEA
    redis:maxmemory -a data-app --policy noeviction
    redis:promote -a data-app
    redis:stats-reset -a data-app --confirm data-app
    redis:timeout -a data-app --seconds 60
    redis:upgrade -a data-app --version 7.2 --confirm data-app
    redis:wait -a data-app
  `,
  spaces: `
    spaces
    spaces:create there -t crew
    spaces:destroy --space there --confirm there
    spaces:drains:get --space there
    spaces:drains:set https://logs.example.com --space there
    spaces:info --space there
    spaces:peerings --space there
    spaces:peerings:accept --space there --pcxid pcx-1
    spaces:peerings:destroy --space there --pcxid pcx-1 --confirm pcx-1
    spaces:peerings:info --space there
    ! spaces:ps --space there
    spaces:rename --from there --to here
    spaces:topology --space there
    spaces:transfer --space there -t crew
    spaces:trusted-ips --space there
    spaces:trusted-ips:add 203.0.113.0/24 --space there --confirm there
    spaces:trusted-ips:remove 203.0.113.0/24 --space there --confirm there
    spaces:vpn:config tunnel --space there
    spaces:vpn:connect tunnel --cidrs 10.0.0.0/16 --ip 203.0.113.7 --space there
    spaces:vpn:connections --space there
    spaces:vpn:destroy tunnel --space there --confirm tunnel
    spaces:vpn:info tunnel --space there
    spaces:vpn:update tunnel --cidrs 10.0.0.0/16 --space there
    spaces:vpn:wait tunnel --space there
    spaces:wait --space there
  `,
  container: `
    container:login
    container:logout # of a registry that is not here
    container:pull -a data-app web
    container:push -a data-app web
    container:release -a data-app web
    container:rm -a data-app web
    container:run -a data-app web
  `,
}
