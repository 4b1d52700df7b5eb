# The app's dependencies: installed, built, kept, pruned, whatever its package manager. Sourced by bin/compile;
# runs in BUILD_DIR. Each manager's own file gives install_<manager>, locked_<manager> and prune_<manager>.

cache_mb_max=512

# run_script NAME TITLE: one of the app's scripts, when it has it.
run_script() {
  [ -n "$1" ] || return 0
  section "$2"
  line "Running $1"
  "$plan_manager" run "$1" 2>&1 | indent || fail "The $1 script of package.json failed."
}

# run_manager WHAT COMMAND…: shows what it says; a lock file that does not fit package.json is told as such.
run_manager() {
  local what=$1 log
  shift
  log=$(mktemp)
  if ! "$@" 2>&1 | tee "$log" | indent; then
    if grep -qE 'lockfile needs to be updated|lockfile would have been modified|OUTDATED_LOCKFILE|can only install packages when your package.json' "$log"; then
      rm -f "$log"
      fail "Outdated $plan_manager lockfile" '' "$plan_lock does not fit package.json." \
        "Run $plan_manager install, and commit $plan_lock with package.json."
    fi
    rm -f "$log"
    fail "$what failed: see its messages above."
  fi
  rm -f "$log"
}

# A cache that only grows would outgrow the app.
bound_cache() {
  [ ! -d "$1" ] || [ "$(du -sm "$1" | cut -f 1)" -lt "$cache_mb_max" ] || rm -rf "$1"
}

install_dependencies() {
  section 'Installing dependencies'
  if [ -n "$plan_idle" ]; then
    line 'package.json has no dependencies'
  elif [ -d node_modules ] && [ "$plan_manager" = npm ]; then
    line 'Prebuild detected (node_modules already exists)'
    line 'Rebuilding any native modules'
    run_manager 'npm rebuild' npm rebuild
  elif [ -n "$plan_lock" ]; then
    "locked_$plan_manager"
  else
    line 'Installing node modules (package.json)'
    "install_$plan_manager"
  fi
}

prune_dependencies() {
  [ -n "$plan_dev" ] || return 0
  section 'Pruning devDependencies'
  if [ "$NODE_ENV" != production ]; then
    line "Skipping because NODE_ENV is not 'production'"
  else
    "prune_$plan_manager"
  fi
}
