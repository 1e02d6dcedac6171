#!/bin/sh
# Back up, then run NODE_IMAGE instead of what runs. When that fails, say how to go back.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh

before=$(docker inspect --format '{{.Config.Image}}' "$TRUST_API_CONTAINER" 2>/dev/null) ||
    refuse "The trust does not run, so there is nothing to upgrade." "make up-local-trust starts it, with NODE_IMAGE."
scripts/preflight.sh
scripts/backup.sh
echo "Upgrading from $before to $NODE_IMAGE …"
code=0
BACKED_UP=1 scripts/up.sh || code=$?
[ "$code" != 130 ] || exit 130
if [ "$code" = 0 ]; then
    echo "The trust has been upgraded from $before to $NODE_IMAGE. To go back: make rollback-local-trust"
elif [ "${BACKUP:-}" = no ]; then
    refuse "The upgrade to $NODE_IMAGE has failed." \
        "Without a backup: NODE_IMAGE=$before make up-local-trust runs the earlier image on the data as they are now."
else
    refuse "The upgrade to $NODE_IMAGE has failed." "Go back to $before and the data of the backup: make rollback-local-trust"
fi
