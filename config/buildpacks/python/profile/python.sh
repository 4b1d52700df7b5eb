# Sourced when a dyno starts: the app's own Python first, output at once, and workers by the dyno's memory.
export PATH="$HOME/.heroku/python/bin:$PATH"
export PYTHONUNBUFFERED=true
export PYTHONPATH=${PYTHONPATH:-$HOME}
# Behind the router every peer is one.
export FORWARDED_ALLOW_IPS=${FORWARDED_ALLOW_IPS:-*}
case $(ulimit -u) in
  256) export WEB_CONCURRENCY=${WEB_CONCURRENCY:-2} ;;
  512) export WEB_CONCURRENCY=${WEB_CONCURRENCY:-4} ;;
  16384) export WEB_CONCURRENCY=${WEB_CONCURRENCY:-5} ;;
  32768) export WEB_CONCURRENCY=${WEB_CONCURRENCY:-17} ;;
esac
