# What the app needs, by pip. Sourced by bin/compile; runs in BUILD_DIR.

home_python="$HOME/.heroku/python"
cache_mb_max=512

# A script of the app's own.
run_hook() {
  [ -f "$1" ] || return 0
  section "Running $1"
  chmod +x "$1"
  "./$1" 2>&1 | indent || fail "$1 failed: see its messages above."
}

# Sets requirements, the file that pip reads; empty: nothing to install.
choose_requirements() {
  local other
  requirements=''
  if [ -f requirements.txt ]; then
    requirements=requirements.txt
  elif [ -f pyproject.toml ]; then
    requirements=$(mktemp)
    "$python" "$pack/lib/requirements.py" pyproject.toml > "$requirements" 2> "$requirements.why" \
      || fail 'Unable to parse pyproject.toml' '' "$(tail -n 1 "$requirements.why")"
    [ -s "$requirements" ] || requirements=''
  fi
  for other in Pipfile.lock poetry.lock uv.lock; do
    [ -f "$other" ] || continue
    [ -n "$requirements" ] || fail "$other is not supported" '' \
      'This buildpack takes requirements.txt and project.dependencies of pyproject.toml.' \
      'Export it: pipenv requirements, poetry export, or uv export.'
    line "$other is not read: $(basename "$requirements") says what is installed."
  done
}

# The environment of an earlier build serves when it was made of the same.
install_packages() {
  local kept="$cache/python" key
  key=$({ cat "${requirements:-/dev/null}"; [ ! -d vendor/wheels ] || sha256sum vendor/wheels/*; \
    echo "$STACK $python_version ${PIP_INDEX_URL:-}"; } | sha256sum | cut -d ' ' -f 1)
  mkdir -p "$build/.heroku" "$HOME/.heroku"
  rm -rf "$build/.heroku/python" "$home_python"
  # What leads to the app's own code or to a branch is not told by the file alone.
  if [ -d "$kept/$key" ] && ! grep -qE '^ *(-e|--editable|\.)|git\+' "${requirements:-/dev/null}"; then
    line 'Restoring packages from the cache (they are unchanged)'
    cp -a "$kept/$key" "$home_python"
    cp -a "$home_python" "$build/.heroku/python"
    return
  fi
  "$python" -m venv --without-pip --symlinks "$home_python"
  export PATH="$home_python/bin:$PATH" PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1
  # Config vars of that name would be read as options of pip's.
  unset PIP_USER PIP_TARGET PIP_PREFIX
  if [ -n "$requirements" ]; then
    install_pip
    run_pip
  fi
  [ ! -d "$cache/pip" ] || [ "$(du -sm "$cache/pip" | cut -f 1)" -lt "$cache_mb_max" ] || rm -rf "$cache/pip"
  rm -rf "$kept"
  mkdir -p "$kept"
  cp -a "$home_python" "$kept/part" && mv "$kept/part" "$kept/$key"
  cp -a "$home_python" "$build/.heroku/python"
}

# pip itself: the stack's wheel, one that the app brings, or the index'.
install_pip() {
  local wheel
  wheel=$(compgen -G 'vendor/wheels/pip-*.whl' || compgen -G '/usr/share/python-wheels/pip-*.whl' || true)
  wheel=${wheel%%$'\n'*}
  if [ -z "$wheel" ]; then
    wheel=$("$python" "$pack/lib/fetch_pip.py" "${PIP_INDEX_URL:-https://pypi.org/simple}" "$(mktemp -d)") \
      || fail 'There is no pip on this stack, and none could be fetched:' '' "$wheel" \
        'Put its wheel into vendor/wheels, or set PIP_INDEX_URL to an index that can be reached.'
  fi
  unpack_pip "$wheel" 2>&1 | indent || fail "pip could not be installed from $wheel."
}

# A wheel is an archive of what belongs into site-packages; pip takes seconds to put itself there from one.
unpack_pip() {
  local packages name
  packages=$("$home_python/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && "$home_python/bin/python" -m zipfile -e "$1" "$packages" \
    && "$home_python/bin/python" -m compileall -q "$packages" || return 1
  for name in pip pip3 "pip${python#python}"; do
    printf '#!%s\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n' \
      "$home_python/bin/python" > "$home_python/bin/$name"
    chmod 0755 "$home_python/bin/$name"
  done
}

run_pip() {
  local pip=("$home_python/bin/python" -m pip install --progress-bar off)
  section "Installing dependencies using pip ($(basename "$requirements" | sed 's/^tmp\..*/pyproject.toml/'))"
  if [ -d vendor/wheels ]; then
    if "${pip[@]}" --no-index --find-links vendor/wheels -r "$requirements" > "$cache/pip.log" 2>&1; then
      line 'All of them are in vendor/wheels'
      indent < "$cache/pip.log"
      return
    fi
    line 'Not all of them are in vendor/wheels: asking the index'
    export PIP_FIND_LINKS="vendor/wheels ${PIP_FIND_LINKS:-}"
  fi
  "${pip[@]}" -r "$requirements" 2>&1 | indent || fail 'Unable to install dependencies using pip.' '' \
    'See the messages above for what is missing.'
}

# Django's own step, as Heroku does it, unless the app says that it wants none.
collect_static_files() {
  [ -f manage.py ] && [ "${DISABLE_COLLECTSTATIC:-0}" != 1 ] || return 0
  "$home_python/bin/python" -c 'import django' 2> /dev/null || return 0
  section '$ python manage.py collectstatic --noinput'
  "$home_python/bin/python" manage.py collectstatic --noinput 2>&1 | indent \
    || fail 'Unable to generate Django static files.' '' \
      'Fix the error above, or set DISABLE_COLLECTSTATIC=1.'
}
