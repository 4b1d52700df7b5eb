# Dependencies by npm. Sourced by bin/compile.

install_npm_dependencies() {
  run_manager "npm $1" npm "$1" --include=dev --no-audit --no-fund --cache "$cache/npm"
  bound_cache "$cache/npm"
}

install_npm() { install_npm_dependencies install; }

# npm ci, or its result of an earlier build when the lock file, Node.js and npm are the same.
locked_npm() {
  local kept="$cache/node_modules" key files=(package.json "$plan_lock")
  [ ! -f .npmrc ] || files+=(.npmrc)
  key=$({ cat "${files[@]}"; echo "$node_version $npm_version $NODE_ENV"; } | sha256sum | cut -d ' ' -f 1)
  if [ -n "$plan_replayable" ] && [ "$NODE_MODULES_CACHE" = true ] && [ -d "$kept/$key" ]; then
    line "Restoring node modules from the cache ($plan_lock is unchanged)"
    cp -a "$kept/$key" node_modules
    return
  fi
  line "Installing node modules ($plan_lock)"
  install_npm_dependencies ci
  rm -rf "$kept"
  if [ -n "$plan_replayable" ] && [ "$NODE_MODULES_CACHE" = true ] && [ -d node_modules ]; then
    mkdir -p "$kept"
    cp -a node_modules "$kept/part" && mv "$kept/part" "$kept/$key"
  fi
}

prune_npm() {
  if [ "${NPM_CONFIG_PRODUCTION:-true}" = false ]; then
    line "Skipping because NPM_CONFIG_PRODUCTION is 'false'"
    return
  fi
  run_manager 'npm prune' npm prune --omit=dev --no-audit --no-fund --ignore-scripts --cache "$cache/npm"
}
