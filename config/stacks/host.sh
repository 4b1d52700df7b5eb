#!/usr/bin/env bash
# The stack host: this machine itself, read-only and masked, for where no image was made. What is made here
# is a skeleton with files of its own; what it shows of the machine is listed in its etc/manifold-shows and
# mounted in at each start, with owners and modes as they are: what only root may read stays unread.
# It is a list of what is shown, never of what is hidden: /root, /home, /var, /run, /srv, /opt, and all of
# /etc and /usr/local that is not named here, are not there.
# Run as root by scripts/stack with: target directory, CA bundle.
set -euo pipefail
umask 022

target=$1 certificates=$2

# Programs, libraries and their data. No configuration of /usr/local, no sources.
shown=(
  /bin /sbin /lib /lib32 /lib64 /libx32
  /usr/{bin,sbin,games,include,lib,lib32,lib64,libexec,libx32,share}
  /usr/local/{bin,sbin,games,include,lib,share}
)
# What programs and libraries need of /etc to run at all. None of what an operator may have put a secret in
# (profiles, environment, clients' settings), nor anything that names users or hosts of this machine.
for name in \
  ImageMagick-6 ImageMagick-7 alternatives ca-certificates.conf debian_version fonts gai.conf host.conf \
  inputrc \
  java-{8,11,17,21,25}-openjdk ld.so.cache ld.so.conf ld.so.conf.d locale.alias localtime lsb-release magic \
  magic.mime mime.types os-release perl protocols python3 python3.{9,10,11,12,13,14} rpc services shells \
  ssl/openssl.cnf terminfo timezone xattr.conf; do
  shown+=("/etc/$name")
done

mkdir -p "$target"/{app,dev,etc/{heroku,profile.d,ssl/certs},home,opt/manifold,proc,root,run,sys,tmp}
mkdir -p "$target"/{usr/local,var/{cache,lib,log,tmp}}
chmod 0700 "$target/root"
chmod 1777 "$target"/{tmp,var/tmp}
here=$(realpath "$target")
for path in "${shown[@]}"; do
  if [[ -L $path && $path != /etc/* ]]; then
    # /bin is in /usr, there and here.
    cp -a "$path" "$target$path"
  elif [[ -d $path ]]; then
    if [[ $here == "$(realpath "$path")"/* ]]; then
      echo "the platform's own home is in $path, which this stack shows: move MANIFOLD_HOME" >&2
      exit 1
    fi
    mkdir -p "$target$path"
    echo "$path"
  elif [[ -f $path ]]; then
    mkdir -p "$(dirname "$target$path")"
    : >"$target$path"
    echo "$path"
  fi
done >"$target/etc/manifold-shows"

# Users that Debian has everywhere, and those of Heroku's stack images.
masters=/usr/share/base-passwd
known() { if [[ -f $masters/$1.master ]]; then sed 's/:\*:/:x:/' "$masters/$1.master"; else echo "$2"; fi; }
{
  known passwd 'root:x:0:0:root:/root:/bin/bash'
  echo 'heroku:x:1000:1000::/app:/bin/bash'
} >"$target/etc/passwd"
{
  known group 'root:x:0:'
  echo 'dyno:x:1000:'
} >"$target/etc/group"
chown 1000:1000 "$target/app"
printf '%s: files\n' passwd group shadow protocols services >"$target/etc/nsswitch.conf"
echo 'hosts: files dns' >>"$target/etc/nsswitch.conf"
printf 'heroku-runtime\n' >"$target/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$target/etc/hosts"
: >"$target/etc/resolv.conf"
cat >"$target/etc/profile" <<'END'
for script in /etc/profile.d/*.sh; do
  if [ -r "$script" ]; then . "$script"; fi
done
unset script
END
cat >"$target/etc/profile.d/prompt.sh" <<'END'
export PS1='\[\033[01;34m\]\w\[\033[00m\] \[\033[01;32m\]$ \[\033[00m\]'
END
# Whom this machine trusts: its links lead to what is shown, its bundle is the one that builds trust.
if [[ -d /etc/ssl/certs ]]; then cp -a /etc/ssl/certs/. "$target/etc/ssl/certs"; fi
rm -f "$target/etc/ssl/certs/ca-certificates.crt"
install -m 0644 "$certificates" "$target/etc/ssl/certs/ca-certificates.crt"
