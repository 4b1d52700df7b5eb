#!/usr/bin/env bash
# Debian's archives, signing keys and packages, for the scripts that fetch from them, what this machine
# holds and whom it trusts: sourced, never run. Who sources it defines `say` and `fail`, and `$home`.

# A shell that has sourced the env of this platform trusts it too: that is no news of the machine.
if [[ ${NODE_EXTRA_CA_CERTS:-} == "$home"/* ]]; then unset NODE_EXTRA_CA_CERTS; fi
certificates_file=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

# What the stack host shows may come from here: it is made anew when something came or went.
machine_entries() { ls -d /etc/* /usr/* /usr/local/* 2>/dev/null || true; }

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; elif [[ -t 0 ]]; then sudo "$@"; else sudo -n "$@"; fi
}

# Runs a command quietly; its output is shown only when it fails.
quietly() {
  # Several run beside each other.
  local output=$home/setup/output-$BASHPID
  if ! "$@" >"$output" 2>&1; then
    if [[ $(wc -l <"$output") -gt 60 ]]; then
      head -n 20 "$output" >&2 && echo '[...]' >&2 && tail -n 40 "$output" >&2
    else
      cat "$output" >&2
    fi
    rm -f "$output"
    return 1
  fi
  rm -f "$output"
}

apt_install() {
  quietly as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# The archives that the machine's own apt is set up with, a line each: component, release, address. Slow: who
# asks more than once keeps the answer in `archives_known`.
archives() {
  if [[ -n ${archives_known:-} ]]; then echo "$archives_known" && return; fi
  apt-get indextargets --format '$(COMPONENT) $(RELEASE) $(SITE)' 'Created-By: Packages' 2>/dev/null
}
is_debian() { grep -qs '^ID=debian' /etc/os-release; }

# A Debian mirror: the machine's own, or Debian's public address where the machine is no Debian.
debian_mirror() {
  local own=''
  if is_debian; then own=$(archives | awk '$1 == "main" && $2 ~ /^[a-z]+$/ { print $3; exit }') || true; fi
  echo "${own:-http://deb.debian.org/debian}"
}

debian_security_mirror() {
  local own=''
  if is_debian; then own=$(archives | awk '$1 == "main" && $2 ~ /-security$/ { print $3; exit }') || true; fi
  echo "${own:-http://deb.debian.org/debian-security}"
}

debian_keyring() {
  local keyring
  for keyring in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
    if [[ -s $keyring ]]; then echo "$keyring" && return; fi
  done
  apt_install debian-archive-keyring || fail "missing package: debian-archive-keyring (Debian's signing keys)"
  ls /usr/share/keyrings/debian-archive-keyring.{pgp,gpg} 2>/dev/null | head -n 1
}
