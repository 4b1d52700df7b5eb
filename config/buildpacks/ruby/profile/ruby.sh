# Sourced when a dyno starts: gems of the app, and Ruby's environment as on Heroku.
export BUNDLE_PATH=${BUNDLE_PATH:-vendor/bundle} BUNDLE_DEPLOYMENT=${BUNDLE_DEPLOYMENT:-1}
export BUNDLE_WITHOUT=${BUNDLE_WITHOUT:-development:test}
export RACK_ENV=${RACK_ENV:-production} LANG=${LANG:-en_US.UTF-8} MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-2}
export PATH="$HOME/bin:$PATH"
