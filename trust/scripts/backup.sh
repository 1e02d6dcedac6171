#!/bin/sh
# Copy the database, then the bucket, into a new folder that only its owner may read. The node keeps running: in this
# order, every object that the dump speaks of and still needs is in the copy of the bucket.
set -eu
umask 077
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh

if [ "${BACKUP:-}" = no ]; then
    echo "No backup, as BACKUP=no says."
    exit 0
fi
[ -f "$KIT_FILE" ] || refuse_without_kit "Name the one that the trust runs with: KIT_FILE=…"
[ -n "$(compose ps --quiet postgres)" ] || refuse "The trust's database does not run." "make up-local-trust starts it."
name="$STACK-${BACKUP_LABEL:+$BACKUP_LABEL-}$(date -u +%Y%m%dT%H%M%SZ)"
folder="$BACKUP_DIR/$name"
mkdir -p "$folder.partial"
trap 'rm -rf "$folder.partial"' EXIT
# shellcheck disable=SC2016 # the names are the container's own
compose exec -T postgres sh -c 'PGPASSWORD="$POSTGRES_PASSWORD" pg_dump --format=custom -h 127.0.0.1 -U "$POSTGRES_USER" "$POSTGRES_DB"' >"$folder.partial/database.dump"
set -- database.dump
if [ -n "$(compose ps --quiet minio 2>/dev/null)" ]; then
    compose run --rm --no-deps -T bucket python /opt/flame-node/init/copy_bucket.py out >"$folder.partial/bucket.tar"
    set -- "$@" bucket.tar
fi
# The release that it belongs to. A name may mean another image by now, as :latest does: then this one gets its own.
runs=$(last_image)
if [ -n "$runs" ] && docker image inspect "$runs" >/dev/null 2>&1; then
    image=$(docker inspect --format '{{.Config.Image}}' "$TRUST_API_CONTAINER" 2>/dev/null) || image="$NODE_IMAGE"
    if [ "$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null)" != "$runs" ]; then
        image="flame-node-agent:$name"
        docker tag "$runs" "$image"
    fi
    echo "$image" >"$folder.partial/image"
    set -- "$@" image
fi
(cd "$folder.partial" && sha256sum "$@" >SHA256SUMS)
mv "$folder.partial" "$folder"
echo "Backed up to $folder. Keep it like patient data, and the kit $KIT_FILE in another safe place."
