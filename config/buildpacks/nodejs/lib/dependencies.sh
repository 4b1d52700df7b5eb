# The app's dependencies: installed, built, kept, pruned. Sourced by bin/compile; runs in BUILD_DIR.

npm_cache_mb_max=512

# run_script NAME TITLE: one of the app's scripts, when it has it.
run_script() {
  [ -n "$1" ] || return 0
  section "$2"
  line "Running $1"
  npm run "$1" 2>&1 | indent || fail "The $1 script of package.json failed."
}

install_dependencies() {
  section 'Installing dependencies'
  if [ -d node_modules ]; then
    line 'Prebuild detected (node_modules already exists)'
    line 'Rebuilding any native modules'
    npm rebuild 2>&1 | indent || fail 'npm rebuild failed.'
  elif [ -n "$plan_idle" ]; then
    line 'package.json has no dependencies'
  elif [ -n "$plan_lock" ]; then
    install_locked
  else
    line 'Installing node modules (package.json)'
    npm_install install
  fi
}

# npm ci, or its result of an earlier build when the lock file, Node.js and npm are the same.
install_locked() {
  local kept="$cache/node_modules" key files=(package.json "$plan_lock")
  [ ! -f .npmrc ] || files+=(.npmrc)
  key=$({ cat "${files[@]}"; echo "$node_version $npm_version $NODE_ENV"; } | sha256sum | cut -d ' ' -f 1)
  if [ -n "$plan_replayable" ] && [ "$NODE_MODULES_CACHE" = true ] && [ -d "$kept/$key" ]; then
    line "Restoring node modules from the cache ($plan_lock is unchanged)"
    cp -a "$kept/$key" node_modules
    return
  fi
  line "Installing node modules ($plan_lock)"
  npm_install ci
  rm -rf "$kept"
  if [ -n "$plan_replayable" ] && [ "$NODE_MODULES_CACHE" = true ] && [ -d node_modules ]; then
    mkdir -p "$kept"
    cp -a node_modules "$kept/part" && mv "$kept/part" "$kept/$key"
  fi
}

npm_install() {
  npm "$1" --include=dev --no-audit --no-fund --cache "$cache/npm" 2>&1 | indent \
    || fail "npm $1 failed: see its messages above."
  # A cache that only grows would outgrow the app.
  [ "$(du -sm "$cache/npm" | cut -f 1)" -lt "$npm_cache_mb_max" ] || rm -rf "$cache/npm"
}

prune_dependencies() {
  [ -n "$plan_dev" ] || return 0
  section 'Pruning devDependencies'
  if [ "$NODE_ENV" != production ]; then
    line "Skipping because NODE_ENV is not 'production'"
  elif [ "${NPM_CONFIG_PRODUCTION:-true}" = false ]; then
    line "Skipping because NPM_CONFIG_PRODUCTION is 'false'"
  else
    npm prune --omit=dev --no-audit --no-fund --ignore-scripts --cache "$cache/npm" 2>&1 | indent || fail 'npm prune failed.'
  fi
}
