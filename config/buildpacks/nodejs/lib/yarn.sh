# Dependencies by Yarn: classic (1.x) or berry (2 and later). Sourced by bin/compile.

# Berry takes its settings from the environment; its cache lies in the app, where Plug'n'Play reads it at run
# time, and is kept from build to build.
prepare_berry() {
  export YARN_ENABLE_GLOBAL_CACHE=false YARN_ENABLE_TELEMETRY=0 YARN_ENABLE_PROGRESS_BARS=false
  export YARN_ENABLE_INLINE_BUILDS=true
  local registry="${npm_config_registry:-${NPM_CONFIG_REGISTRY:-}}"
  [ -z "$registry" ] || export YARN_NPM_REGISTRY_SERVER=${YARN_NPM_REGISTRY_SERVER:-${registry%/}}
  yarn_cache=checked-in
  [ -d .yarn/cache ] || yarn_cache=ours
  restore_berry
}

restore_berry() {
  [ -d .yarn/cache ] || [ ! -d "$cache/berry" ] || { mkdir -p .yarn && cp -a "$cache/berry" .yarn/cache; }
}

# What node_modules was made from is not needed once it is made.
drop_berry_cache() {
  [ "$yarn_cache" = checked-in ] || [ -f .pnp.cjs ] || rm -rf .yarn/cache
}

install_yarn() {
  if [ -n "$plan_berry" ]; then
    prepare_berry
    run_manager 'yarn install' yarn install "$@"
    rm -rf "$cache/berry"
    [ ! -d .yarn/cache ] || cp -a .yarn/cache "$cache/berry"
    bound_cache "$cache/berry"
    drop_berry_cache
  else
    run_manager 'yarn install' yarn install "$@" --production=false --ignore-engines --non-interactive \
      --prefer-offline --cache-folder "$cache/yarn"
    bound_cache "$cache/yarn"
  fi
}

locked_yarn() {
  line "Installing node modules ($plan_lock)"
  if [ -n "$plan_berry" ]; then install_yarn --immutable; else install_yarn --frozen-lockfile; fi
}

prune_yarn() {
  if [ "${YARN_PRODUCTION:-true}" = false ] || [ "${YARN2_SKIP_PRUNING:-false}" = true ]; then
    line 'Skipping because YARN_PRODUCTION or YARN2_SKIP_PRUNING says so'
  elif [ -n "$plan_berry" ]; then
    restore_berry
    run_manager 'yarn workspaces focus' yarn workspaces focus --all --production
    drop_berry_cache
  else
    run_manager 'yarn install --production' yarn install --frozen-lockfile --production=true --ignore-scripts \
      --ignore-engines --non-interactive --prefer-offline --cache-folder "$cache/yarn"
  fi
}
