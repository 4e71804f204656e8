#!/usr/bin/env bash
# Builds the image where no registry can be reached, and runs the test of the compose files with the
# image's processes: as its own account, with the files' commands and environments, behind the TLS edge.
# Needs root; takes some 20 minutes the first time, nearly all of it for compiling.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "Checking the image needs root, for making base images and running them." >&2
  exit 1
fi
missing=()
for program in buildah mmdebstrap; do
  command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

export IMAGE=${IMAGE:-songkeep:check} IMAGE_BUILDER=buildah CARGO_PROFILE=${CARGO_PROFILE:-release}
scripts/image-bases.sh
started=$SECONDS
scripts/image.sh --isolation=chroot --network=host --pull=never
built=$((SECONDS - started))
started=$SECONDS
SONGKEEP_TEST_IMAGE=$IMAGE ${CARGO:-cargo} test --locked -p songkeep --test it -- --exact \
  compose::production_does_the_main_job_behind_its_tls_edge
echo "$IMAGE: $(buildah images --format '{{.Size}}' "$IMAGE"), built in $built s with the profile $CARGO_PROFILE;" \
  "checked in $((SECONDS - started)) s"
