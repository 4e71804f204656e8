#!/usr/bin/env bash
# Installs what the tests need from Debian's packages when it may, else says exactly what is missing.
set -euo pipefail

declare -A package_of=([ffmpeg]=ffmpeg [chromium]=chromium [chromedriver]=chromium-driver [redis-server]=redis-server)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)

[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
else
  echo "The tests need these Debian packages: ${missing[*]}" >&2
  echo "Install them with: sudo apt install ${missing[*]}" >&2
  exit 1
fi
