#!/usr/bin/env bash
# Makes stand-ins for the Dockerfile's base images where no image registry can be reached: Debian from
# its packages, Rust as it is on this machine, and the Node of scripts/node.sh. Needs root, buildah and
# mmdebstrap. What this machine was told of certificates, pip, npm and cargo goes into them, so that the
# build gets out the same way.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
container=
clean_up() {
  [ -z "$container" ] || buildah rm "$container" >/dev/null
  rm -rf "$work"
}
trap clean_up EXIT

base() { awk -v image="^$1:" '$1 == "FROM" && $2 ~ image { print $2; exit }' infra/docker/Dockerfile; }
missing() { ! buildah images --quiet "$1" >/dev/null 2>&1; }
put() { # From this machine to the same place in the container, where it exists.
  [ ! -e "$1" ] || buildah copy --quiet "$container" "$1" "${2:-$1}" >/dev/null
}
commit() {
  buildah commit --quiet --format docker "$container" "$1" >/dev/null
  buildah rm "$container" >/dev/null
  container=
  echo "made $1"
}

debian=$(base debian)
if missing "$debian"; then
  suite=${debian#*:}
  # As slim as the image whose place it takes; mmdebstrap fills in the hook's $1.
  # shellcheck disable=SC2016
  mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --aptopt='DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; }' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/*' \
    "${suite%-slim}" "$work/debian.tar"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$work/debian.tar" / >/dev/null
  put /usr/local/share/ca-certificates
  put /etc/ssl/certs/ca-certificates.crt
  put /etc/pip.conf
  buildah config --cmd bash "$container"
  commit "$debian"
fi

rust=$(base rust)
if missing "$rust"; then
  container=$(buildah from "$debian")
  buildah run --isolation=chroot --network=host "$container" -- sh -c \
    'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends gcc libc6-dev'
  put "$(rustc --print sysroot)" /usr/local/rust
  put "${CARGO_HOME:-$HOME/.cargo}/config.toml" /usr/local/cargo/config.toml
  buildah config --env CARGO_HOME=/usr/local/cargo --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  commit "$rust"
fi

node=$(base node)
if missing "$node"; then
  # The program, and the folder of npm, which bin/npm links into. The inner shell fills in where they are.
  # shellcheck disable=SC2016
  program=$(scripts/node.sh bash -c 'readlink -f "$(command -v node)"')
  # shellcheck disable=SC2016
  npm=$(scripts/node.sh bash -c 'readlink -f "$(command -v npm)"')
  container=$(buildah from "$debian")
  put "$program" /usr/local/bin/node
  put "${npm%/bin/*}" /usr/local/lib/node_modules/npm
  put "$HOME/.npmrc" /root/.npmrc
  buildah run --isolation=chroot "$container" -- sh -c \
    'ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && chmod +x /usr/local/bin/npm'
  buildah config --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt "$container"
  commit "$node"
fi
