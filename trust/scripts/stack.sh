#!/bin/sh
# One step on the trust's stack: up, down, restart, logs, status or config. The Makefile calls it.
set -eu
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh
WAIT_SECONDS="${WAIT_SECONDS:-300}"

case "$1" in
up)
    compose up -d --remove-orphans
    scripts/await_healthy.sh "$WAIT_SECONDS"
    echo "The trust is up. Its polls: docker logs -f $TRUST_API_CONTAINER"
    ;;
down) compose down --remove-orphans ;;
restart) compose restart ${SERVICE:+"$SERVICE"} && scripts/await_healthy.sh "$WAIT_SECONDS" ;;
logs) compose logs --follow --tail 100 ${SERVICE:+"$SERVICE"} ;;
status)
    compose ps --all
    docker exec "$TRUST_API_CONTAINER" flame-node health --service agent
    ;;
config) compose config ;;
*)
    echo "no such step: $1" >&2
    exit 2
    ;;
esac
