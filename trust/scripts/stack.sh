#!/bin/sh
# One step on a stack that is there: stop, down, restart, logs, status or config. The Makefile calls it.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh
# shellcheck source=trust/scripts/health.sh
. scripts/health.sh
WAIT_SECONDS="${WAIT_SECONDS:-300}"

need_containers() {
    [ -n "$(containers)" ] || refuse "The trust $STACK does not run." "make up-local-trust starts it."
    [ -z "${SERVICE:-}" ] || [ -n "$(containers --filter "label=com.docker.compose.service=$SERVICE")" ] ||
        refuse "There is no service $SERVICE." "There are: $(states | awk '{ print $2 }' | sort | tr '\n' ' ')"
}

# Compose finds a stack by its name, so these need no kit.
by_name() {
    docker compose --project-name "$STACK" "$@"
}

# The containers stay, with their logs; up starts them again.
stop() {
    if [ -z "$(containers)" ]; then
        echo "The trust $STACK does not run."
        return
    fi
    by_name stop
    echo "The trust's services are stopped. Their containers and logs stay; make up-local-trust starts them."
}

down() {
    if [ -z "$(containers)" ] && [ -z "$(networks)" ]; then
        echo "The trust $STACK does not run."
        return
    fi
    # A network that others are in cannot be removed; that is told below, and the trust is down all the same.
    code=0
    if [ -f "$KIT_FILE" ]; then compose down --remove-orphans || code=$?; else by_name down --remove-orphans || code=$?; fi
    [ -z "$(containers)" ] || exit "$code"
    for network in $(networks); do
        echo "The network $network stays, as other containers are in it: $(docker network inspect --format '{{range .Containers}}{{.Name}} {{end}}' "$network")"
    done
    echo "The trust is down. Its data stay, in volumes."
}

networks() {
    docker network ls --filter "label=com.docker.compose.project=$STACK" --format '{{.Name}}'
}

[ "$1" = config ] || docker version >/dev/null 2>&1 || refuse "The Docker engine does not answer." "make check-local-trust says why."
case "$1" in
stop) stop ;;
down) down ;;
restart)
    need_containers
    trap 'echo "Interrupted. How the trust is: make status-local-trust" >&2; exit 130' INT TERM
    by_name restart ${SERVICE:+"$SERVICE"}
    await_healthy "$WAIT_SECONDS"
    ;;
logs)
    need_containers
    by_name logs --follow --tail 100 ${SERVICE:+"$SERVICE"}
    ;;
status)
    need_containers
    by_name ps --all
    docker exec "$TRUST_API_CONTAINER" flame-node health --service agent || {
        explain
        exit 1
    }
    ;;
config) compose config ;;
*)
    echo "no such step: $1" >&2
    exit 2
    ;;
esac
