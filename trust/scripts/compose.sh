# shellcheck shell=sh
# To be sourced: `compose` with the overlays and profiles that the kit and PROD ask for.

# The last value that the kit gives to a name, read as Compose reads it: quotes go, and so does a comment behind a blank.
kit_value() {
    sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" "$KIT_FILE" | tail -n 1 | awk '{
        quote = substr($0, 1, 1)
        if (quote != "\"" && quote != "\047") {
            sub(/[[:space:]]#.*/, "")
            sub(/[[:space:]]+$/, "")
            print
            exit
        }
        escapes = quote (quote == "\"" ? "\\$" : "")
        for (i = 2; i <= length($0) && (c = substr($0, i, 1)) != quote; i++) {
            if (c == "\\" && i < length($0) && index(escapes, substr($0, i + 1, 1))) c = substr($0, ++i, 1)
            value = value c
        }
        print value
    }'
}

# What the environment or else the kit may say of the deployment. Given empty, as make hands on what nobody has given, is
# not given: for Compose, an empty variable of the environment would beat the kit.
DEPLOYMENT_VARIABLES="POSTGRES_IMAGE OMOP_IMAGE S3_IMAGE S3_COMMAND S3_HEALTH_PATH KEYCLOAK_IMAGE NODE_MEMORY
    POSTGRES_MEMORY S3_MEMORY OMOP_MEMORY KEYCLOAK_MEMORY POLICY_DIR CERTIFICATES_DIR INTERNAL_SUBNET EGRESS_SUBNET
    HOUSE_SUBNET BACKUP_DIR WAIT_SECONDS"
settle() {
    for name in $DEPLOYMENT_VARIABLES; do
        eval "given=\${$name:-}"
        [ -z "$given" ] || continue
        given=$([ ! -r "$KIT_FILE" ] || kit_value "$name")
        case "$given" in
        # What a value of the kit refers to, Compose itself puts in.
        '' | *\$*) unset "$name" ;;
        *) export "$name=$given" ;;
        esac
    done
    BACKUP_DIR="${BACKUP_DIR:-backups}"
}
settle

compose() {
    # Each is put in front of those before it; what stands last has the last word.
    if [ "${PUBLISH:-}" != 1 ]; then
        set -- -f compose.local.yml "$@"
    fi
    case "$(kit_value NUM_AVAILABLE_GPUS)" in
    '' | 0) ;;
    *) set -- -f compose.gpu.yml "$@" ;;
    esac
    if [ -n "${INTERNAL_SUBNET:-}${EGRESS_SUBNET:-}" ]; then
        set -- -f compose.subnets.yml "$@"
    fi
    if [ -n "$(kit_value OMOP_SERVER)" ]; then
        [ -z "${HOUSE_SUBNET:-}" ] || set -- -f compose.house.yml "$@"
        set -- -f compose.relay.yml --profile omop-relay "$@"
    fi
    set -- -f "compose.$OVERLAY.yml" "$@"
    # A profile is on when the kit names the service that it brings.
    case "$(kit_value MINIO__ENDPOINT)" in minio:*) set -- --profile results "$@" ;; esac
    case "$(kit_value OMOP_DB_SERVICE_NAME)" in omop-db) set -- --profile omop "$@" ;; esac
    case "$(kit_value OIDC__CERTS_URL)" in http://keycloak:*) set -- --profile keycloak "$@" ;; esac
    docker compose --project-name "$STACK" --project-directory . --env-file "$KIT_FILE" -f compose.yml "$@"
}

# Id of the image that the trust runs, or ran last; nothing where neither a container nor a note tells it.
last_image() {
    id=$(docker inspect --format '{{.Image}}' "$TRUST_API_CONTAINER" 2>/dev/null) ||
        id=$(cat ".node-image.$STACK.id" 2>/dev/null) || id=""
    echo "$id"
}

# Ids of the stack's containers, those that have ended included; more of `docker ps` may be given.
containers() {
    docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$STACK" "$@"
}
