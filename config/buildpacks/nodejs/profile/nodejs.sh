# Sourced when a dyno starts: Node.js on the PATH, and how many processes its memory is good for.
export PATH="$HOME/.heroku/node/bin:$HOME/bin:$HOME/node_modules/.bin:$PATH"
export NODE_HOME="$HOME/.heroku/node"
export NODE_ENV=${NODE_ENV:-production}

# The dyno's own memory in MB; 512 where no limit can be seen (an unlimited one reads "max" or a huge number).
memory_available_mb() {
  local file bytes=''
  for file in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do
    [ ! -r "$file" ] || { bytes=$(cat "$file"); break; }
  done
  case "$bytes" in
    '' | *[!0-9]* | ??????????????*) echo 512 ;;
    *) echo $((bytes / 1048576)) ;;
  esac
}

export MEMORY_AVAILABLE=${MEMORY_AVAILABLE:-$(memory_available_mb)}
if [ "$MEMORY_AVAILABLE" -gt 16384 ]; then
  export WEB_MEMORY=${WEB_MEMORY:-2048}
else
  export WEB_MEMORY=${WEB_MEMORY:-512}
fi
web_processes=$((MEMORY_AVAILABLE / WEB_MEMORY))
export WEB_CONCURRENCY=${WEB_CONCURRENCY:-$((web_processes > 0 ? web_processes : 1))}
unset web_processes
unset -f memory_available_mb
