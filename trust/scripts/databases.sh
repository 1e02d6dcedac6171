# shellcheck shell=sh
# To be sourced: look whether databases of earlier days know the passwords that the kit holds now.

# A volume keeps the password that its database was made with, and a new kit brings another. The node would then wait
# for its database without end, so this is found out first, on the databases alone.
check_databases() {
    if [ "$(kit_value POSTGRES__HOST)" = postgres ]; then
        check_database postgres postgres POSTGRES_USER POSTGRES_PASSWORD 5432 POSTGRES__PASSWORD
    fi
    if [ "$(kit_value OMOP_DB_SERVICE_NAME)" = omop-db ]; then
        port=$(kit_value OMOP_DB_PORT)
        check_database omop-db omop DATA_ACCESS_POSTGRES_USER DATA_ACCESS_POSTGRES_PASSWORD "${port:-5432}" \
            DATA_ACCESS_POSTGRES_PASSWORD
    fi
}

# $1 service, $2 volume, $3 and $4 the container's variables of user and password, $5 port, $6 the kit's variable.
check_database() {
    docker volume inspect "${STACK}_$2" >/dev/null 2>&1 || return 0
    compose up -d --no-deps "$1" || refuse "The service $1 cannot be started." "Docker says why, above."
    await_database "$1" "$5"
    # By its name, as the image trusts whoever comes by 127.0.0.1.
    said=$(compose exec -T "$1" sh -c "PGPASSWORD=\"\$$4\" PGCONNECT_TIMEOUT=10 \
        psql -w -qAt --no-psqlrc -h $1 -p $5 -U \"\$$3\" -d \"\$POSTGRES_DB\" -c 'SELECT 1'" 2>&1) && return 0
    case "$said" in
    *authentication*) refuse "The database in the volume ${STACK}_$2 has another password than $6 in $KIT_FILE." \
        "The kit is newer than the volume. Either put $6 of the earlier kit back; or, if nothing in the volume is
  needed any more: make down-local-trust && docker volume rm ${STACK}_$2
  After flame-node keys rotate: the database must be told the new password, which this asks for:
  docker exec -it $(compose ps --quiet "$1") sh -c 'psql -U \"\$POSTGRES_USER\" -d \"\$POSTGRES_DB\" -c \"\\password \$$3\"'" ;;
    *) refuse "The database of $1 does not let the node in: $(echo "$said" | tail -n 1)" \
        "Compare users and names of the databases in $KIT_FILE with the volume ${STACK}_$2." ;;
    esac
}

# Waits until the database of service $1 answers at port $2; says what it logs when it does not start.
await_database() {
    deadline=$(($(date +%s) + WAIT_SECONDS))
    id=$(compose ps --all --quiet "$1")
    before=$(docker inspect --format '{{.RestartCount}}' "$id")
    until compose exec -T "$1" pg_isready -q -h 127.0.0.1 -p "$2" 2>/dev/null; do
        restarts=$(docker inspect --format '{{.RestartCount}}' "$id")
        if [ "$(date +%s)" -ge "$deadline" ] || [ $((restarts - before)) -ge 3 ]; then
            refuse "The database of $1 does not start: $(telling_line "$id")" "make logs-local-trust SERVICE=$1 shows more."
        fi
        sleep 1
    done
}
