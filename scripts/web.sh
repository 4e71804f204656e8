#!/usr/bin/env bash
# Does one of `build`, `gen`, `lint` and `test` with the web apps in web/. Packages are installed when the
# lockfile changed, and a build is left alone when nothing did that it was made from. WEB=0 does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
task=$1

if [ "${WEB:-1}" = 0 ]; then
  echo "Leaving out the web apps, as WEB=0 says."
  exit
fi

installed=web/node_modules/.songkeep-installed
built=web/node_modules/.songkeep-built

fingerprint_of() { sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1; }
packages() { find web -name node_modules -prune -o -name 'package*.json' -print0 | fingerprint_of; }
# All that a build is made from, by names and contents.
sources() {
  find web openapi.json \( -type d \( -name node_modules -o -name build -o -name .svelte-kit -o -name paraglide \
    -o -path web/e2e \) -o -path '*/project.inlang/*' ! -name settings.json \) -prune \
    -o -type f ! -name '*.test.ts' -print0 | fingerprint_of
}
in_web() { scripts/node.sh bash -c 'cd web && exec "$@"' bash "$@"; }
fail() {
  echo "$1 \`WEB=0 make …\` leaves out the web apps." >&2
  exit 1
}

now=$(packages)
if [ "$(cat "$installed" 2>/dev/null)" != "$now" ]; then
  echo "Installing the web apps' packages"
  in_web npm ci --no-audit --no-fund --loglevel=error ||
    fail "The web apps' packages could not be installed; once, that needs the network."
  echo "$now" >"$installed"
fi

build() {
  local now log
  now=$(sources)
  if [ "$(cat "$built" 2>/dev/null)" = "$now" ] && [ -f web/player/build/index.html ] &&
    [ -f web/admin/build/index.html ]; then
    return
  fi
  echo "Building the web apps"
  rm -f "$built"
  log=$(mktemp)
  if ! in_web npm run build >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "The web apps could not be built."
  fi
  rm -f "$log"
  echo "$now" >"$built"
}

case $task in
  build) build ;;
  lint)
    # Types are checked with the messages that a build writes as code.
    build
    in_web npm run --silent lint
    ;;
  *) in_web npm run --silent "$task" ;;
esac
