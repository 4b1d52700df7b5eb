# Dependencies by pnpm. Sourced by bin/compile.

install_pnpm() {
  run_manager 'pnpm install' pnpm install --prod=false --store-dir "$cache/pnpm" "$@"
  bound_cache "$cache/pnpm"
}

locked_pnpm() {
  line "Installing node modules ($plan_lock)"
  install_pnpm --frozen-lockfile
}

prune_pnpm() {
  if [ "${PNPM_SKIP_PRUNING:-false}" = true ]; then
    line "Skipping because PNPM_SKIP_PRUNING is 'true'"
  elif [ -n "$plan_workspace" ]; then
    line 'Skipping because pnpm cannot prune a workspace'
  else
    run_manager 'pnpm prune' env CI=true pnpm prune --prod --config.ignore-scripts=true
  fi
}
