#!/bin/sh
# Put the database and the bucket back as a backup holds them. What has come since is gone afterwards.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh
# shellcheck source=trust/scripts/health.sh
. scripts/health.sh
# shellcheck source=trust/scripts/databases.sh
. scripts/databases.sh
WAIT_SECONDS="${WAIT_SECONDS:-300}"

[ -n "${BACKUP:-}" ] || refuse "Which backup?" "BACKUP=$BACKUP_DIR/<folder> make restore-local-trust"
[ -f "$BACKUP/SHA256SUMS" ] || refuse "There is no complete backup in $BACKUP." "Name a folder that make backup-local-trust has made."
(cd "$BACKUP" && sha256sum --check --quiet SHA256SUMS) || refuse "The backup in $BACKUP is damaged." "Take another; nothing has been changed."

check_databases
compose stop trust-api data-access-api
compose up -d postgres
await_database postgres 5432
# Anew, so that nothing of a newer release is left in it.
# shellcheck disable=SC2016 # the names are the container's own
compose exec -T postgres sh -c '
    set -e
    export PGPASSWORD="$POSTGRES_PASSWORD" PGHOST=127.0.0.1 PGUSER="$POSTGRES_USER"
    psql="psql -v ON_ERROR_STOP=1 -qAt --no-psqlrc"
    $psql -d template1 -c "DROP DATABASE IF EXISTS \"$POSTGRES_DB\" WITH (FORCE)"
    $psql -d template1 -c "CREATE DATABASE \"$POSTGRES_DB\""
    pg_restore --exit-on-error --single-transaction --no-owner -d "$POSTGRES_DB"
' <"$BACKUP/database.dump"
if [ -f "$BACKUP/bucket.tar" ]; then
    compose up -d minio bucket
    compose run --rm -T bucket python /opt/flame-node/init/copy_bucket.py in <"$BACKUP/bucket.tar"
fi
BACKED_UP=1 scripts/up.sh
echo "Restored from $BACKUP. Look at: docker exec $TRUST_API_CONTAINER flame-node ledger verify"
