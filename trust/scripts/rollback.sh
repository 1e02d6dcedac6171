#!/bin/sh
# Go back to the image and the data that a backup was made of: BACKUP, else the newest that belongs to another image than
# the one that runs. What is there now is backed up first.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh

runs=$(docker inspect --format '{{.Config.Image}}' "$TRUST_API_CONTAINER" 2>/dev/null) || runs=none
if [ -z "${BACKUP:-}" ]; then
    # Their names end with the time, so the last that fits is the newest.
    for folder in "$BACKUP_DIR/$STACK"-2*; do
        if [ -f "$folder/image" ] && [ "$(cat "$folder/image")" != "$runs" ]; then BACKUP=$folder; fi
    done
    [ -n "${BACKUP:-}" ] || refuse "No backup in $BACKUP_DIR belongs to another image than the one that runs ($runs)." \
        "make upgrade-local-trust makes such a backup. Name one, or restore under an image: NODE_IMAGE=… BACKUP=… make restore-local-trust"
fi
[ -f "$BACKUP/image" ] || refuse "$BACKUP does not say which image it belongs to." \
    "Name that yourself: NODE_IMAGE=… BACKUP=$BACKUP make restore-local-trust"
NODE_IMAGE=$(cat "$BACKUP/image")
export NODE_IMAGE
echo "Going back from $runs to $NODE_IMAGE, with the data of $BACKUP …"
scripts/preflight.sh
BACKUP='' BACKUP_LABEL=before-rollback scripts/backup.sh
export BACKUP
scripts/restore.sh
echo "The trust runs $NODE_IMAGE again. What had come since $BACKUP is in the backup before-rollback."
