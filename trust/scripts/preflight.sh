#!/bin/sh
# Everything that must be right before the trust is started. Says what is wrong and what to do, and ends with 1.
set -eu
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh
ENGINE_AT_LEAST=20.10
COMPOSE_AT_LEAST=2.24.0

refuse() {
    printf '✘ %s\n  %s\n' "$1" "$2" >&2
    exit 1
}

# Whether version $1 is $2 or newer.
new_enough() {
    [ "$(printf '%s\n%s\n' "$2" "${1%%[-+~]*}" | sort -V | head -n 1)" = "$2" ]
}

check_choice() {
    case "$ENVIRONMENT" in
    wrong) refuse "PROD=$PROD is not known." "Leave it unset for development, or give PROD=stag or PROD=true." ;;
    esac
    if [ "${PUBLISH:-}" = 1 ] && [ "$OVERLAY" != development ]; then
        refuse "make up-trust publishes a port, which PROD=$PROD forbids." "Use make up-local-trust."
    fi
}

check_engine() {
    command -v docker >/dev/null || refuse "Docker is not installed." \
        "Install it: make add-local-trust does, or see https://docs.docker.com/engine/install/"
    engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null) || refuse "The Docker engine does not answer." \
        "Start it (sudo systemctl start docker), and run this as a user who may use it (sudo -E make …)."
    new_enough "$engine" "$ENGINE_AT_LEAST" || refuse "Docker $engine is too old." "Install $ENGINE_AT_LEAST or newer."
    plugin=$(docker compose version --short 2>/dev/null) || refuse "Docker Compose is not installed." \
        "Install the package docker-compose-plugin (Docker's) or docker-compose-v2 (Ubuntu's)."
    new_enough "${plugin#v}" "$COMPOSE_AT_LEAST" || refuse "Docker Compose $plugin is too old." \
        "Install $COMPOSE_AT_LEAST or newer."
}

check_kit_file() {
    [ -f "$KIT_FILE" ] || refuse "There is no kit $KIT_FILE in $(pwd)." \
        "Make it with: flame-node keys new-trust --kit $(pwd)/$KIT_FILE (or name another with KIT=)."
    mode=$(stat -L -c %a "$KIT_FILE")
    [ "$mode" = 600 ] || refuse "The kit $KIT_FILE has mode $mode, so others may read its keys." "chmod 600 $KIT_FILE"
    open=$(sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\)=["'\'']\{0,1\}<.*/\1/p' "$KIT_FILE" | tr '\n' ' ')
    [ -z "$open" ] || refuse "The kit $KIT_FILE still has placeholders: $open" \
        "Put the real values there; flame-node keys new-trust --kit $KIT_FILE makes the keys and passwords."
}

check_image() {
    docker image inspect "$NODE_IMAGE" >/dev/null 2>&1 && return
    if [ "$NODE_IMAGE" = flame-node-agent:latest ] && [ ! -f ../Dockerfile ]; then
        refuse "The image $NODE_IMAGE is not on this machine." \
            "Bring it (docker save and docker load, from where make image has run), or name one of a registry: NODE_IMAGE=…"
    elif [ "$NODE_IMAGE" = flame-node-agent:latest ]; then
        echo "The image $NODE_IMAGE is not here yet; building it …"
        make -C .. image || refuse "The image could not be built." "Look above for the reason; make image tries again."
    else
        docker pull "$NODE_IMAGE" || refuse "There is no image $NODE_IMAGE." "Correct NODE_IMAGE, or sign in to its registry."
    fi
}

# The node itself knows best what a kit must be like: default passwords, values, pairs that do not match.
check_kit_content() {
    weight=--development
    [ "$OVERLAY" = production ] && weight=--production
    path=$(readlink -f "$KIT_FILE")
    said=$(docker run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges:true \
        --user "$(stat -c %u:%g "$path")" --volume "$path:/kit:ro" "$NODE_IMAGE" \
        flame-node keys check --kit /kit "$weight" 2>&1) || refuse "The kit $KIT_FILE is not right:" \
        "$(echo "$said" | sed "s|/kit|$KIT_FILE|g; 2,\$s/^/  /")"
}

check_names() {
    owner=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "$TRUST_API_CONTAINER" 2>/dev/null) ||
        owner="$STACK"
    [ "$owner" = "$STACK" ] || refuse "The container name $TRUST_API_CONTAINER is taken by ${owner:-another container}." \
        "Remove that one, or give this stack another name: STACK=trust-b make up-local-trust"
}

check_port() {
    [ "${PUBLISH:-}" = 1 ] || return 0
    port=$(kit_value TRUST_API_PORT)
    port=${port:-8024}
    mine=$(docker ps --quiet --filter "label=com.docker.compose.project=$STACK" --filter "publish=$port")
    [ -z "$mine" ] || return 0
    if ss -Hltn "sport = :$port" 2>/dev/null | grep -q .; then
        refuse "Port $port is taken by another program." "Give TRUST_API_PORT in $KIT_FILE another value."
    fi
}

check_choice
check_engine
check_kit_file
check_names
check_port
check_image
check_kit_content
