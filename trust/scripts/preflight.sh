#!/bin/sh
# Everything that must be right before the trust is started. Says what is wrong and what to do, and ends with 1.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh
ENGINE_AT_LEAST=20.10
COMPOSE_AT_LEAST=2.24.0
FREE_MIB_AT_LEAST=2048

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
    engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null) || case "$(docker version 2>&1)" in
    *"permission denied"*) refuse "You may not use the Docker engine." \
        "Run this as root: sudo -E make … (Whoever is in the group docker is as good as root, so nobody is put there.)" ;;
    *) refuse "The Docker engine does not answer." "Start it: sudo systemctl start docker" ;;
    esac
    new_enough "$engine" "$ENGINE_AT_LEAST" || refuse "Docker $engine is too old." "Install $ENGINE_AT_LEAST or newer."
    plugin=$(docker compose version --short 2>/dev/null) || refuse "Docker Compose is not installed." \
        "Install the package docker-compose-plugin (Docker's) or docker-compose-v2 (Ubuntu's)."
    new_enough "${plugin#v}" "$COMPOSE_AT_LEAST" || refuse "Docker Compose $plugin is too old." \
        "Install $COMPOSE_AT_LEAST or newer."
}

# Said and not refused: distributions mend their engines without another number, and the way is a narrow one.
warn_of_names() {
    case "${engine%%[-+~]*}" in
    23.*) mended=23.0.11 ;;
    25.*) mended=25.0.5 ;;
    *) mended=26.0 ;;
    esac
    new_enough "$engine" "$mended" || printf '%s\n' \
        "! Docker $engine may answer for names from outside in networks without a way out (CVE-2024-29018)." \
        "  A service that was taken over could carry data out in such questions. Install 26.0 or newer." >&2
}

check_kit_file() {
    [ -f "$KIT_FILE" ] || refuse_without_kit \
        "Make it with: flame-node keys new-trust --kit $(pwd)/$KIT_FILE (or name another with KIT=).
  On a provisioned host, make it in the checkout instead, and bring it here with make add-local-trust."
    mode=$(stat -L -c %a "$KIT_FILE")
    [ "$mode" = 600 ] || refuse "The kit $KIT_FILE has mode $mode, so others may read its keys." "chmod 600 $KIT_FILE"
    open=$(sed -n 's/^[[:space:]]*\([A-Za-z_][A-Za-z0-9_]*\)=["'\'']\{0,1\}<.*/\1/p' "$KIT_FILE" | tr '\n' ' ')
    [ -z "$open" ] || refuse "The kit $KIT_FILE still has placeholders: $open" \
        "Put the real values there; flame-node keys new-trust --kit $KIT_FILE makes the keys and passwords."
}

# Whether the folder above is the checkout that this one is part of. Nothing is built from a folder of somebody else's.
in_checkout() {
    [ -f ../Dockerfile ] && [ -e ../.git ] && [ "$(stat -c %u ../.git)" = "$(stat -c %u .)" ]
}

check_image() {
    docker image inspect "$NODE_IMAGE" >/dev/null 2>&1 && return
    if [ "$NODE_IMAGE" = flame-node-agent:latest ] && ! in_checkout; then
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
    # Two folders that start a stack of one name would remove each other's containers.
    id=$(containers | head -n 1)
    [ -n "$id" ] || return 0
    folder=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' "$id" 2>/dev/null) || return 0
    if [ -d "$folder" ] && [ "$(readlink -f "$folder")" != "$(pwd -P)" ]; then
        refuse "The stack $STACK has been started from $folder." \
            "Take that one down first (docker compose -p $STACK down; its data stay), or give this one another name: STACK=trust-b make up-local-trust"
    fi
}

# Whatever the overlays publish; only those for development publish anything.
check_ports() {
    for port in $(compose config 2>/dev/null | sed -n 's/^ *published: "\{0,1\}\([0-9]*\).*/\1/p'); do
        mine=$(containers --filter "publish=$port")
        [ -z "$mine" ] || continue
        # As the kernel tells it: the local address ends with the port, and 0A means that somebody listens there.
        if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '{ print $2, $4 }' | grep -q "$(printf ':%04X 0A' "$port")"; then
            other=$(docker ps --filter "publish=$port" --format '{{.Names}}' | head -n 1)
            refuse "Port $port is taken by ${other:-another program}." \
                "Give TRUST_API_PORT in $KIT_FILE another value, or use make up-local-trust, which takes none."
        fi
    done
}

check_disk() {
    place=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null) || return 0
    free=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
    # Nothing is said of an engine on another machine.
    [ "${free:-$FREE_MIB_AT_LEAST}" -ge "$FREE_MIB_AT_LEAST" ] || refuse "The disk of Docker ($place) has $free MiB left." \
        "Make room for $FREE_MIB_AT_LEAST MiB at least: docker system df shows what Docker uses; backups are in $BACKUP_DIR."
}

# What a container's user has to read of this folder, in a checkout that was made under umask 077.
check_readable() {
    closed=$(find omop keycloak \( -type d ! -perm -005 -o -type f ! -perm -004 \) ! -user "$(id -u)" | head -n 1)
    [ -z "$closed" ] || [ "$(id -u)" = 0 ] || refuse "The containers' users may not read $(pwd)/$closed." \
        "sudo chmod -R a+rX $(pwd)/omop $(pwd)/keycloak (nothing in them is secret)"
    policy=$(kit_value ACCESS_POLICY_FILE)
    case "$policy" in /etc/flame-node/*) ;; *) return 0 ;; esac
    folder="${POLICY_DIR:-policy}"
    file="$folder/${policy#/etc/flame-node/}"
    [ -e "$file" ] || { [ -d "$folder" ] && [ ! -x "$folder" ]; } || refuse "There is no $file, which ACCESS_POLICY_FILE of $KIT_FILE names." \
        "Put the trust's access policy there, or leave ACCESS_POLICY_FILE empty."
    closed=$(find "$folder" "$file" -prune \( -type d ! -perm -005 -o -type f ! -perm -004 \) 2>/dev/null | head -n 1)
    [ -z "$closed" ] || refuse "data-access-api runs as user 10001, who may not read $closed." "chmod a+rX $folder $file"
}

check_choice
check_engine
warn_of_names
check_kit_file
check_names
check_disk
check_readable
check_ports
check_image
check_kit_content
