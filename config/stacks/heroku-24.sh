#!/usr/bin/env bash
# The stack heroku-24: the read-only root file system shared by all dynos and builds of a host.
# One image for both, so that what was built with a library runs with the same one; it holds what Heroku's
# build image is used for (compilers for native modules, git, python3, jq, curl).
# Run as root by scripts/setup, which makes it anew when this file changes.
# Arguments: target directory, Debian mirror, security mirror, keyring, CA bundle.
set -euo pipefail

target=$1 mirror=$2 security_mirror=$3 keyring=$4 certificates=$5
suite=bookworm

packages=(
  bash bsdutils bzip2 ca-certificates coreutils curl file findutils gawk git gnupg gzip jq less
  netcat-openbsd openssh-client openssl patch procps psmisc python3 rsync sed tar time tzdata unzip util-linux
  wget xz-utils zip zstd
  g++ gcc libc6-dev libssl-dev make pkg-config zlib1g-dev
  libstdc++6 libpq5 libsqlite3-0
)

archives=("$mirror $suite main" "$mirror $suite-updates main" "$security_mirror $suite-security main")
included=$(
  IFS=,
  echo "${packages[*]}"
)

mmdebstrap --mode=root --variant=minbase --format=directory --include="$included" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='force-unsafe-io' \
  "$suite" "$target" "${archives[@]/#/deb [signed-by=$keyring] }"
# Inside, apt has Debian's keys in its own place (buildpacks that use apt read this file).
rm -f "$target"/etc/apt/sources.list.d/*
printf 'deb %s\n' "${archives[@]}" >"$target/etc/apt/sources.list"

# Users and mount points of Heroku's stack images; dynos run under numbers of their own, in the group dyno.
chroot "$target" groupadd --gid 1000 dyno
chroot "$target" useradd --uid 1000 --gid 1000 --home-dir /app --no-create-home --shell /bin/bash heroku
mkdir -p "$target"/{app,proc,sys,dev,tmp,var/log,var/tmp,etc/heroku,opt/manifold}
chown 1000:1000 "$target/app"
printf 'heroku-runtime\n' >"$target/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$target/etc/hosts"
: >"$target/etc/resolv.conf"
cat >"$target/etc/profile.d/prompt.sh" <<'END'
export PS1='\[\033[01;34m\]\w\[\033[00m\] \[\033[01;32m\]$ \[\033[00m\]'
END
cp "$certificates" "$target/etc/ssl/certs/ca-certificates.crt"
chmod 0644 "$target/etc/ssl/certs/ca-certificates.crt"
printf '%s\n' "$(basename "$0" .sh)" >"$target/etc/manifold-stack"
