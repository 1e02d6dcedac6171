#!/bin/sh
# One account of the whole trust: the machine, trust-api and data-access-api. This script asks Docker and judges nothing;
# `flame-node doctor --service host` judges, in a container without network, rights and Docker's socket. Single fields
# are asked for, never the environment of a container, so that no secret passes. JSON=1 makes the account one object.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh

CONTAINER='{"service":{{json (index .Config.Labels "com.docker.compose.service")}},"image":{{json .Image}},"status":{{json .State.Status}},"exit_code":{{json .State.ExitCode}},"out_of_memory":{{json .State.OOMKilled}},"health":{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},"restart":{{json .HostConfig.RestartPolicy.Name}},"network":{{json .HostConfig.NetworkMode}},"ports":{{json .NetworkSettings.Ports}}}'
IMAGE='{"id":{{json .Id}},"version":{{json (index .Config.Labels "org.opencontainers.image.version")}},"revision":{{json (index .Config.Labels "org.opencontainers.image.revision")}}}'
VOLUME='{"name":{{json (index .Labels "com.docker.compose.volume")}},"created":{{json .CreatedAt}}}'
FOLDERS="ORTHANC_STORAGE_DIR BASE_IMAGES_DOWNLOAD_DIR XNAT_DATA_DIR FL_KIT_DIR OMOP_DATA_DIR"

# What is said without the doctor, which needs Docker and the image to run at all.
say_alone() {
    if [ "${JSON:-}" = 1 ]; then
        printf '{"service": "host", "well": false, "checks": [{"of": "host", "check": "engine", "state": "failed", "seen": "%s", "do": "%s"}]}\n' "$1" "$2"
    else
        printf '✘ engine  %s → %s\n' "$1" "$2"
    fi
    exit 1
}

# The containers of the services, without those that were made for one question.
services() {
    docker ps --all --quiet --no-trunc --filter "label=com.docker.compose.project=$STACK" \
        --filter label=com.docker.compose.oneoff=False "$@"
}

# Service $1's own report, as its doctor calls it ($2); when it does not run while others do, from a container like it.
ask() {
    id=$(services --filter "label=com.docker.compose.service=$1" --filter status=running)
    if [ -n "$id" ]; then
        timeout 60 docker exec "$id" flame-node doctor --service "$2" --json
    elif [ -n "$(services --filter status=running)" ]; then
        compose run --rm --no-deps -T "$1" timeout 60 flame-node doctor --service "$2" --json
    fi </dev/null 2>/dev/null || true
}

part() {
    printf '# %s\n' "$1"
}

facts() {
    part engine && docker version --format '{{.Server.Version}}'
    part compose && { docker compose version --short 2>/dev/null || true; }
    part boot && { systemctl is-enabled docker.service 2>/dev/null || true; }
    part stack && echo "$STACK"
    part overlay && echo "$OVERLAY"
    part expected && { compose config --services 2>/dev/null || true; }
    ids=$(services) || ids=""
    images=""
    part containers
    if [ -n "$ids" ]; then
        # shellcheck disable=SC2086 # one word for each id
        docker inspect --format "$CONTAINER" $ids 2>/dev/null || true
        # shellcheck disable=SC2086
        images=$(docker inspect --format '{{.Image}}' $ids 2>/dev/null | sort -u) || true
    fi
    part node-image && echo "$NODE_IMAGE"
    # shellcheck disable=SC2086
    part images && { docker image inspect --format "$IMAGE" "$NODE_IMAGE" $images 2>/dev/null || true; }
    part volumes
    for volume in $volumes; do
        docker volume inspect --format "$VOLUME" "$volume" 2>/dev/null || true
    done
    part folders
    for name in $FOLDERS; do
        folder=$([ ! -r "$KIT_FILE" ] || kit_value "$name")
        [ ! -d "$folder" ] || printf '%s\t%s\n' "$folder" "$(df -Pk "$folder" 2>/dev/null | tail -n 1)"
    done
    part agent && ask trust-api agent
    part data-access && ask data-access-api data-access
}

command -v docker >/dev/null || say_alone "Docker is not installed" "make add-local-trust installs it"
docker version --format '{{.Server.Version}}' >/dev/null 2>&1 || case "$(docker version 2>&1)" in
*"permission denied"*) say_alone "you may not use the Docker engine" "run this as root: sudo -E make doctor-local-trust" ;;
*) say_alone "the Docker engine does not answer" "start it: sudo systemctl start docker" ;;
esac
if ! docker image inspect "$NODE_IMAGE" >/dev/null 2>&1; then
    # The image that runs knows what its own release needs.
    running=$(services --filter label=com.docker.compose.service=trust-api)
    NODE_IMAGE=$([ -z "$running" ] || docker inspect --format '{{.Image}}' "$running" 2>/dev/null) || NODE_IMAGE=""
    if [ -z "$NODE_IMAGE" ] || ! docker image inspect "$NODE_IMAGE" >/dev/null 2>&1; then
        say_alone "the image of the node is not on this machine" "make up-local-trust builds or fetches it; NODE_IMAGE names another"
    fi
fi
volumes=$(docker volume ls --quiet --filter "label=com.docker.compose.project=$STACK") || volumes=""

[ -f "$KIT_FILE" ] || other_kits >&2
kit=$(readlink -f "$KIT_FILE")
set -- flame-node doctor --service host --kit "$kit"
[ "${JSON:-}" != 1 ] || set -- "$@" --json
set -- "$NODE_IMAGE" "$@"
for volume in $volumes; do
    short=$(docker volume inspect --format '{{index .Labels "com.docker.compose.volume"}}' "$volume")
    set -- --mount "type=volume,source=$volume,target=/volumes/$short,readonly,volume-nocopy" "$@"
done
if [ -f "$kit" ]; then
    set -- --mount "type=bind,source=$kit,target=$kit,readonly" --user "$(stat -c %u:%g "$kit")" "$@"
fi
code=0
facts | docker run --rm --interactive --network none --read-only --cap-drop ALL \
    --security-opt no-new-privileges:true --pids-limit 64 --no-healthcheck --log-driver none "$@" || code=$?
[ "$code" -le 1 ] || say_alone "the doctor could not be run in $NODE_IMAGE (exit code $code)" "look above for the reason; make upgrade-local-trust brings image and trust/ to one release"
exit "$code"
