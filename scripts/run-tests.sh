#!/usr/bin/env bash
# Runs every test: by nextest where it is installed, else by cargo's own runner.
set -euo pipefail
cargo=${CARGO:-cargo}
if $cargo nextest --version >/dev/null 2>&1; then
  exec $cargo nextest run --locked --workspace --no-fail-fast
fi
exec $cargo test --locked --workspace --no-fail-fast
