#!/bin/sh
# Wait until every running service of the stack is healthy; after so many seconds say which is not, and end with 1.
set -eu
deadline=$(($(date +%s) + $1))
label="label=com.docker.compose.project=$STACK"

while :; do
    ids=$(docker ps --quiet --filter "$label")
    waiting=""
    for id in $ids; do
        state=$(docker inspect --format '{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}' "$id" 2>/dev/null) || continue
        case "$state" in
        *" healthy") ;;
        *) waiting="$waiting $state," ;;
        esac
    done
    if [ -n "$ids" ] && [ -z "$waiting" ] && [ "$(docker inspect --format '{{.State.Running}}' "$TRUST_API_CONTAINER" 2>/dev/null)" = true ]; then
        exit 0
    fi
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "After $1 seconds the trust is not healthy yet:${waiting:- trust-api does not run,}" >&2
        echo "Look at: make status-local-trust, make logs-local-trust" >&2
        exit 1
    fi
    sleep 1
done
