# shellcheck shell=sh
# To be sourced: `compose` with the overlays and profiles that the kit and PROD ask for.

# The last value that the kit gives to a name, without quotes; nothing when there is none.
kit_value() {
    sed -n "s/^[[:space:]]*\(export[[:space:]]\{1,\}\)\{0,1\}$1[[:space:]]*=[[:space:]]*//p" "$KIT_FILE" |
        tail -n 1 | sed "s/[[:space:]]*\$//; s/^'\(.*\)'\$/\1/; s/^\"\(.*\)\"\$/\1/"
}

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
    set -- -f "compose.$OVERLAY.yml" "$@"
    # A profile is on when the kit names the service that it brings.
    case "$(kit_value MINIO__ENDPOINT)" in minio:*) set -- --profile results "$@" ;; esac
    case "$(kit_value OMOP_DB_SERVICE_NAME)" in omop-db) set -- --profile omop "$@" ;; esac
    case "$(kit_value OIDC__CERTS_URL)" in http://keycloak:*) set -- --profile keycloak "$@" ;; esac
    docker compose --project-name "$STACK" --project-directory . --env-file "$KIT_FILE" -f compose.yml "$@"
}

# Ids of the stack's containers, those that have ended included; more of `docker ps` may be given.
containers() {
    docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$STACK" "$@"
}
