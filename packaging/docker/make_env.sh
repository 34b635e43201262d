#!/bin/sh
# Writes .env beside compose.yaml from .env.example, with new secrets. One that is there stays as it is.
set -eu

cd "$(dirname "$0")/../.."
if [ -e .env ]; then
  echo ".env is there already; nothing was changed" >&2
  exit 1
fi

secret() {
  od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

umask 077
sed -e "s/^POSTGRES_PASSWORD=$/POSTGRES_PASSWORD=$(secret)/" -e "s/^ML_TOKEN=$/ML_TOKEN=$(secret)/" \
  .env.example >.env
echo "Wrote .env with new secrets. Next: docker compose up"
