# shellcheck shell=sh
# To be sourced: wait until the stack is healthy, and say which service is not, and why.

# One line for each service: id, name, state, health, exit code, restarts. What was run for one question is left out.
states() {
    ids=$(containers --filter label=com.docker.compose.oneoff=False)
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086 # one word for each id
    docker inspect --format '{{.Id}} {{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{.State.ExitCode}} {{.RestartCount}}' $ids 2>/dev/null || true
}

# Those of the lines that are not well: everything but what is healthy, and jobs that have ended well.
ailing() {
    awk '!($3 == "running" && ($4 == "healthy" || $4 == "-")) && !($3 == "exited" && $5 == 0 && $2 != "trust-api")'
}

# Of a container's log, the last line that tells of a failure; else the last line. Of at most 300 characters.
telling_line() {
    docker logs --tail 200 "$1" 2>&1 | awk '
        /^[[:space:]]*$/ { next }
        { last = $0 }
        /^\{/ { if ($0 ~ /"level": *"(error|critical)"/) telling = $0; next }
        tolower($0) ~ /error|fatal|panic|denied|refused|invalid|cannot|no space/ { telling = $0 }
        END { print substr(telling == "" ? last : telling, 1, 300) }'
}

# What its health check has said last.
last_check() {
    docker inspect --format '{{if .State.Health}}{{range .State.Health.Log}}{{json .Output}}{{"\n"}}{{end}}{{end}}' "$1" 2>/dev/null |
        awk 'NF { last = $0 } END { gsub(/\\n/, " ", last); gsub(/^"|"$/, "", last); print substr(last, 1, 300) }'
}

# Says of every service that is not well how it is, what it has logged and what its health check has said.
explain() {
    states | ailing | while read -r id service state health code restarts; do
        case "$state" in
        created)
            printf '✘ %s has not been started, as what it needs is not healthy.\n' "$service"
            continue
            ;;
        exited) printf '✘ %s has ended with %s.\n' "$service" "$code" ;;
        restarting) printf '✘ %s ends again and again (%s times, with %s).\n' "$service" "$restarts" "$code" ;;
        running) printf '✘ %s is %s.\n' "$service" "$health" ;;
        *) printf '✘ %s is %s.\n' "$service" "$state" ;;
        esac
        printf '  It logs: %s\n' "$(telling_line "$id")"
        said=$(last_check "$id")
        [ -z "$said" ] || printf '  Its health check says: %s\n' "$said"
    done >&2
}

# Waits until everything is healthy; ends with 1 after $1 seconds, or once a service has ended by itself too often.
await_healthy() {
    deadline=$(($(date +%s) + $1))
    restarts_before=$(states | awk '{ sum += $6 } END { print sum + 0 }')
    while :; do
        now=$(states)
        if [ -n "$now" ] && [ -z "$(echo "$now" | ailing)" ] && echo "$now" | grep -q ' trust-api running '; then
            return 0
        fi
        restarts=$(echo "$now" | awk '{ sum += $6 } END { print sum + 0 }')
        if [ $((restarts - restarts_before)) -ge "$TOO_MANY_RESTARTS" ]; then
            echo "The trust does not become healthy." >&2
        elif [ "$(date +%s)" -ge "$deadline" ]; then
            echo "After $1 seconds the trust is not healthy." >&2
        else
            sleep 1
            continue
        fi
        explain
        echo "More: make status-local-trust, make logs-local-trust SERVICE=<service>" >&2
        return 1
    done
}

# With Docker's pauses between restarts, about half a minute.
TOO_MANY_RESTARTS=8
