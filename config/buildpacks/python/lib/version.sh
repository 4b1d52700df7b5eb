# Which Python. Sourced by bin/compile; runs in BUILD_DIR.

# The versions of the stack, newest first: 3.13 3.11
stack_pythons() {
  local name
  for name in $(compgen -c python3. | grep -xE 'python3\.[0-9]+' | sort -ruV); do
    "$name" -c 'import venv' 2> /dev/null && echo "${name#python}"
  done
}

# Sets python, the command, and python_version.
choose_python() {
  local file wanted='' have minor=''
  if [ -f .python-version ]; then
    file=.python-version
    wanted=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' .python-version | tr -d ' \t\r')
    [[ $wanted =~ ^3(\.[0-9]+){0,2}$ ]] || fail 'Invalid Python version in .python-version' '' \
      "It is: ${wanted:-empty}" 'It must be one line like 3.11 or 3.11.2.'
  elif [ -f runtime.txt ]; then
    file=runtime.txt
    wanted=$(tr -d ' \t\r\n' < runtime.txt)
    [[ $wanted =~ ^python-3(\.[0-9]+){0,2}$ ]] || fail 'Invalid Python version in runtime.txt' '' \
      "It is: ${wanted:-empty}" 'It must be like python-3.11.'
    wanted=${wanted#python-}
  fi
  have=$(stack_pythons)
  [ -n "$have" ] || fail 'There is no Python on this stack.' '' \
    'Choose a stack that has it, or a buildpack that brings it.'
  if [ -z "$wanted" ]; then
    line 'No Python version was specified. Using that of the stack.'
    minor=${have%%$'\n'*}
  elif [ "$wanted" = 3 ]; then
    minor=${have%%$'\n'*}
  else
    minor=$(grep -xE "$(cut -d . -f 1,2 <<< "$wanted" | sed 's/\./\\./')" <<< "$have") || fail \
      "Requested Python version isn't available: $wanted" '' \
      "$file asks for it; this stack has $(xargs <<< "$have")." \
      'Ask for one of these, or choose a stack or a buildpack that has it.'
  fi
  python=python$minor
  python_version=$("$python" -c 'import platform; print(platform.python_version())')
  section "Using Python $python_version${wanted:+ specified in $file}"
  case "$wanted" in
    *.*.*) [ "$wanted" = "$python_version" ] || line "Not $wanted: this is the $minor that the stack has." ;;
  esac
}
