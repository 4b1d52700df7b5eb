#!/usr/bin/env bash
# The stack debian-12, which apps also know as heroku-24: the read-only root file system of dynos and builds.
# One image for both, so that what was built with a library runs with the same one. It holds what Heroku's run
# image has, as far as Debian has it, and of its build image the compilers and the headers that native modules
# ask for; headers of whole graphics libraries are left to the apt buildpack.
# Run as root by scripts/stack with: target directory, CA bundle, Debian mirror, security mirror, keyring.
set -euo pipefail

target=$1 certificates=$2 mirror=$3 security_mirror=$4 keyring=$5
suite=bookworm

packages=(
  # To run with: shells, text, network and archive tools, clients of databases, pictures and fonts.
  bash bind9-dnsutils bsdutils bzip2 ca-certificates coreutils curl ed file findutils fontconfig gawk
  gettext-base ghostscript git gnupg gsfonts gzip imagemagick iproute2 iputils-tracepath jq less locales
  netcat-openbsd openssh-client openssh-server openssl patch poppler-utils postgresql-client procps
  psmisc python3 python3-pip-whl rename rsync sed shared-mime-info socat tar telnet time tzdata unzip
  util-linux wget xz-utils zip zstd
  # Libraries that built modules are linked to.
  libargon2-1 libcurl4 libev4 libevent-2.1-7 libgd3 libgmp10 libicu72 libmagickcore-6.q16-6-extra
  libmariadb3 libmemcached11 libonig5 libpq5 librabbitmq4 librsvg2-2 libsasl2-modules libsodium23
  libsqlite3-0 libstdc++6 libuv1 libvips42 libxslt1.1 libyaml-0-2 libzip4
  # To build with.
  autoconf automake bison build-essential default-libmysqlclient-dev gettext libacl1-dev libbz2-dev
  libcurl4-openssl-dev libev-dev libevent-dev libffi-dev libgdbm-dev libgmp-dev libicu-dev libjpeg-dev
  libkrb5-dev libmagic-dev libmemcached-dev libncurses-dev libonig-dev libpq-dev librabbitmq-dev
  libreadline-dev libseccomp-dev libsodium-dev libsqlite3-dev libssl-dev libtool libuv1-dev libwebp-dev
  libxml2-dev libxslt1-dev libyaml-dev libzip-dev libzstd-dev pkg-config python3-dev zlib1g-dev
)

archives=("$mirror $suite main" "$mirror $suite-updates main" "$security_mirror $suite-security main")
included=$(
  IFS=,
  echo "${packages[*]}"
)

# With a blank and not with "=": what mmdebstrap knows of these it does to each essential package, by a Python
# program of its own, before there is a dpkg. dpkg takes either; what came in before it is taken away at once.
mmdebstrap --mode=root --variant=minbase --format=directory --include="$included" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude /usr/share/doc/*' --dpkgopt='path-exclude /usr/share/man/*' \
  --dpkgopt='path-exclude /usr/share/locale/*' --dpkgopt='path-exclude /usr/share/info/*' \
  --dpkgopt='force-unsafe-io' --extract-hook='cd "$1/usr/share" && rm -rf doc/* man/* locale/* info/*' \
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
# Made when the package was set up, and so the same everywhere.
rm -f "$target"/etc/ssh/ssh_host_*
cp "$certificates" "$target/etc/ssl/certs/ca-certificates.crt"
chmod 0644 "$target/etc/ssl/certs/ca-certificates.crt"
