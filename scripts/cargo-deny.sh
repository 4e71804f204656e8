#!/usr/bin/env bash
# Checks dependencies with cargo-deny, which is built once into a cache folder when it is not installed.
set -euo pipefail
cache=$1 version=$2
cargo=${CARGO:-cargo}

if $cargo deny --version 2>/dev/null | grep -qF "$version"; then
  deny=("$cargo" deny)
else
  if [ ! -x "$cache/bin/cargo-deny" ] || ! "$cache/bin/cargo-deny" --version | grep -qF "$version"; then
    echo "Building cargo-deny $version once into $cache"
    $cargo install -q cargo-deny --version "$version" --locked --no-default-features --root "$cache"
  fi
  deny=("$cache/bin/cargo-deny")
fi
exec "${deny[@]}" --log-level warn --all-features check bans licenses sources
