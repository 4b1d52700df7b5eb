/** What `manifold help` says. */
export const helpText = `The operator's command of Manifold. It asks the host that runs
with MANIFOLD_HOME (default ~/.manifold). Users of apps use the heroku CLI.

  manifold hosts                     the hosts: state, dynos, memory, load, version
      --json                         the same for programs
  manifold hosts:drain NAME          move its dynos elsewhere, and let nothing new come
      --wait                         until it is empty (at most --timeout minutes, default 30)
  manifold hosts:undrain NAME        let it take dynos again
  manifold hosts:remove NAME         take out a host that is dead, has left, or is drained and empty
      --force                        whatever it does now; its dynos start elsewhere
  manifold hosts:invite              a join URL for one more host: MANIFOLD_JOIN=<url> npm start
  manifold doctor                    checks of everything, each with what to do; exit code 1 when one fails
      --json                         the same for programs
  manifold backup [FILE]             the whole record into a file; - for standard output
  manifold restore FILE              a backup into an empty cluster
      --force                        over the records that are there
  manifold keys                      the keys that seal config vars and certificates at rest; --json
  manifold keys:rotate               another one: all is sealed anew in the background, and older keys go when
                                     no backup on a host needs them any more, after a week at least
      --wait                         until all is sealed with it (at most --timeout minutes, default 30)
  manifold keys:add FILE             keys of another time or cluster (its keys/config.key): opens its backups
  manifold usage                     dyno hours of this month (UTC) by app, process type and size
      --month YYYY-MM                of another one; apps that were destroyed are in it
      --app NAME                     of one app
      --json                         the same for programs, in seconds
  manifold users                     who has an account; --json: the same for programs
  manifold users:add EMAIL           an account, and its API token, shown this once; --name NAME
      --password-stdin               and a password, for heroku login -i
      --operator                     who may do all that you may
  manifold users:rotate EMAIL        another token; every one of before ends
  manifold users:suspend EMAIL       let in no more, until users:unsuspend EMAIL
  manifold users:remove EMAIL        no account any more; it must have left its apps
  manifold audit                     the last changes: who, what, from where, what came of it
      --app NAME  --num N            of one app; so many of them: 50, at most 1000
      --json                         the same for programs
  manifold logs APP                  the last lines of the log of an app
      --num N                        so many of them: 100, at most 1500
      --tail                         and what comes, until Ctrl-C; goes on when the host is back
      --source NAME                  of app or heroku alone; --dyno NAME: of web.1, or of all of type web
      --output NAME                  default: as heroku logs; json: an object a line; classic: as syslog, with
                                     lines of the router as they were in 2012:
                                     heroku/router:  GET host/path dyno=web.1 queue=0 wait=0ms service=381ms …
  manifold idle APP                  put an app of Eco dynos to sleep now; the next request wakes it
  manifold repo:reset APP            empty the git repository of an app; the next push is like the first
  manifold stacks                    root file systems of dynos on this host, and their versions
      --json                         the same for programs
  manifold stacks:build NAME         makes a new version, with today's packages; dynos come to it as they are
                                     cycled or restarted, and old versions go when nothing runs on them
  manifold version
  manifold help

A backup holds apps, config vars (sealed: keep keys/config.key of a host's home apart from it, and copy it
anew after each keys:rotate), releases, formations, domains and users. It does not hold slugs and git
repositories: push an app again where they are lost.
A host that leads takes one by itself within minutes of a change, into backups/ in its home.`
