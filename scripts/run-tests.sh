#!/usr/bin/env bash
# Runs every test, with one PostgreSQL, Redis and S3 service for all of them: by nextest where it is
# installed, else by cargo's own runner.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
$cargo build --locked --workspace --all-targets
servers=${CARGO_TARGET_DIR:-target}/debug/with-test-servers
if $cargo nextest --version >/dev/null 2>&1; then
  exec "$servers" $cargo nextest run --locked --workspace --no-fail-fast "$@"
fi
exec "$servers" $cargo test --locked --workspace --no-fail-fast "$@"
