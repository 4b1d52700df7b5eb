# What the pusher sees: sections, indented lines, errors. Sourced by bin/compile of each built-in buildpack.

section() { printf -- '-----> %s\n' "$1"; }
line() { printf '       %s\n' "${1:-}"; }
indent() { sed -u 's/^/       /'; }

# Ends the build; every argument is a line of the reason.
fail() {
  printf '\n'
  section 'Build failed'
  for text in "$@"; do printf ' !     %s\n' "$text"; done
  printf '\n'
  exit 1
}

# Config vars are files in ENV_DIR; those that would break the build itself are left out.
load_config_vars() {
  local file name
  for file in "$1"/*; do
    name=${file##*/}
    [ -f "$file" ] || continue
    [[ $name =~ ^(PATH|GIT_DIR|CPATH|CPPATH|LD_PRELOAD|LIBRARY_PATH|LD_LIBRARY_PATH|LANG|HOME|BASH_ENV|IFS)$ ]] && continue
    [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] && export "$name=$(cat "$file")"
  done
  return 0
}
