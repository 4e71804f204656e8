#!/usr/bin/env bash
# Songkeep makes its own folder of download tools with Python; this makes sure that Python can do so.
set -euo pipefail

if ! command -v python3 >/dev/null; then
  need=(python3 python3-venv)
elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
  echo "Python 3.10 or newer is needed for imports; this is $(python3 --version)." >&2
  exit 1
elif python3 -c 'import ensurepip, venv' 2>/dev/null || python3 -m pip --version >/dev/null 2>&1; then
  exit 0
else
  need=(python3-venv)
fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${need[@]}"
else
  echo "Imports need Debian's package(s) ${need[*]}. Install them with: sudo apt install ${need[*]}" >&2
fi
