#!/usr/bin/env bash
# Builds the container image with docker, podman or buildah, whichever works here.
# IMAGE names it, IMAGE_BUILDER chooses the program and CARGO_PROFILE `dist` or `release`; arguments go to
# the builder.
set -euo pipefail
cd "$(dirname "$0")/.."

program=${IMAGE_BUILDER:-}
if [ -z "$program" ]; then
  if docker info >/dev/null 2>&1; then
    program=docker
  elif command -v podman >/dev/null; then
    program=podman
  else
    program=buildah
  fi
fi
# The image format of Docker knows health checks, the other one drops them.
case $program in
  docker) builder=(docker build) ;;
  podman) builder=(podman build --format docker) ;;
  *) builder=(buildah build --format docker --layers) ;;
esac
if ! command -v "${builder[0]}" >/dev/null; then
  echo "Building the image needs docker, podman or buildah (Debian and Ubuntu: apt install buildah)." >&2
  exit 1
fi

exec "${builder[@]}" --file infra/docker/Dockerfile --tag "${IMAGE:-songkeep:dev}" \
  --build-arg "CARGO_PROFILE=${CARGO_PROFILE:-dist}" "$@" .
