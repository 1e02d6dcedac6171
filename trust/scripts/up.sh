#!/bin/sh
# Start the trust, or bring it to what the kit says now. Returns when all is healthy; says what is not otherwise.
set -eu
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
# shellcheck source=trust/scripts/compose.sh
. scripts/compose.sh
# shellcheck source=trust/scripts/health.sh
. scripts/health.sh
# shellcheck source=trust/scripts/databases.sh
. scripts/databases.sh
WAIT_SECONDS="${WAIT_SECONDS:-300}"
words=$(mktemp)
trap 'rm -f "$words" "$words.code"' EXIT
trap 'echo "Interrupted. What runs goes on: make status-local-trust shows it, make up-local-trust brings the rest." >&2; exit 130' INT TERM

# What Compose says of a start that failed, in the operator's words; what is not known is left to the services' logs.
translate() {
    case "$(cat "$words")" in
    *"fully subnetted"* | *"non-overlapping"* | *"Pool overlaps"*) refuse "Docker has no free addresses for the trust's networks." \
        "Remove networks that nobody uses (docker network prune), or give other subnets:
  INTERNAL_SUBNET=10.213.1.0/24 EGRESS_SUBNET=10.213.2.0/24 make up-local-trust" ;;
    *"port is already allocated"* | *"address already in use"*) refuse "A port of the machine has been taken meanwhile." \
        "Give TRUST_API_PORT in $KIT_FILE another value, or use make up-local-trust, which takes none." ;;
    *"is already in use by container"*) refuse "A name of the trust's containers has been taken meanwhile, see above." \
        "Remove that container, or give this stack another name: STACK=trust-b make up-local-trust" ;;
    *"no space left on device"*) refuse "The disk is full." "docker system df shows what Docker uses." ;;
    *"manifest unknown"* | *"pull access denied"* | *"failed to resolve reference"* | *"no such host"* | *"Client.Timeout"*)
        refuse "An image cannot be fetched, see above." \
            "Sign in to its registry, or name your mirror: POSTGRES_IMAGE=…, S3_IMAGE=…, KEYCLOAK_IMAGE=…" ;;
    esac
}

# An image under a name that meant another one, as after `make image` or `docker load`, may change the database when it
# starts. What it finds is backed up before, so that there is a way back; for development it is only said.
keep_what_another_image_may_change() {
    docker volume inspect "${STACK}_postgres" >/dev/null 2>&1 || return 0
    last=$(last_image)
    now=$(docker image inspect --format '{{.Id}}' "$NODE_IMAGE")
    if [ -z "$last" ] || [ "$last" = "$now" ]; then return 0; fi
    echo "$NODE_IMAGE is another image than the one that this trust ran last ($last)."
    if [ "$OVERLAY" = development ]; then
        echo "Its data are not backed up first, as PROD is not set."
        return 0
    fi
    echo "It may change the database, so the data are backed up first."
    case "$(kit_value MINIO__ENDPOINT)" in minio:*) compose up -d minio bucket ;; esac
    scripts/backup.sh
    echo "To go back to the image before: make rollback-local-trust"
}

# What the images' own users must read of this folder; a checkout under umask 077 keeps it from them. No secret is in it.
chmod -R a+rX omop keycloak 2>/dev/null || true
check_databases
[ "${BACKED_UP:-}" = 1 ] || keep_what_another_image_may_change
{ compose up -d --remove-orphans 2>&1 || echo $? >"$words.code"; } | tee "$words"
if [ -f "$words.code" ]; then
    translate
    explain
    exit 1
fi
await_healthy "$WAIT_SECONDS" || exit 1
# The next start takes this image again, whoever asks for it: an operator, or the machine's own start.
if [ "$NODE_IMAGE" != "$(cat ".node-image.$STACK" 2>/dev/null || echo flame-node-agent:latest)" ]; then
    echo "$NODE_IMAGE" >".node-image.$STACK"
fi
# By its id, as the name may come to mean another.
if runs=$(docker inspect --format '{{.Image}}' "$TRUST_API_CONTAINER" 2>/dev/null); then
    echo "$runs" >".node-image.$STACK.id"
fi
echo "The trust is up. Its polls: docker logs -f $TRUST_API_CONTAINER"
