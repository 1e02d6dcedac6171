#!/bin/bash
# First start: make the cluster, the database and what the folder of scripts asks for. Then be the server.
set -euo pipefail
if [[ ! -s "$PGDATA/PG_VERSION" ]]; then
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s' "$POSTGRES_PASSWORD") \
        --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:+"$POSTGRES_INITDB_ARGS"} -D "$PGDATA" >/dev/null
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=" start >/dev/null
    psql=(psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$POSTGRES_USER")
    [[ "$POSTGRES_DB" = postgres ]] || "${psql[@]}" -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\"" >/dev/null
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
        *.sh)
            # shellcheck source=/dev/null
            . "$script"
            ;;
        *.sql) "${psql[@]}" -d "$POSTGRES_DB" -f "$script" >/dev/null ;;
        esac
    done
    pg_ctl -D "$PGDATA" -w -m fast stop >/dev/null
fi
exec "$@" -c listen_addresses='*'
