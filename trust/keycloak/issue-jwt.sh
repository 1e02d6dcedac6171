#!/bin/sh
# Print a token for an analysis, from the Keycloak of the trust's stack; good for an hour. The analysis gets a client there
# when it has none yet. No password and no secret is in an argument, where every user of the machine could read it.
#   trust/keycloak/issue-jwt.sh <analysis id>
# STACK names another stack than trust-local.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=trust/scripts/refuse.sh
. scripts/refuse.sh
STACK="${STACK:-trust-local}"
analysis="${1:-}"

inside() {
    docker compose --project-name "$STACK" exec -T "$@"
}

{ [ "${#analysis}" = 36 ] && printf '%s' "$analysis" | grep -qxE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'; } ||
    refuse "Which analysis?" "trust/keycloak/issue-jwt.sh <id of the analysis at the hub, in small letters>"
[ -n "$(docker compose --project-name "$STACK" ps --quiet --status running keycloak 2>/dev/null)" ] ||
    refuse "No Keycloak runs in the stack $STACK." \
        "It is started when OIDC__CERTS_URL of the kit begins with http://keycloak:8080. STACK=… names another stack."
secret=$(inside keycloak bash -s -- "$analysis" <keycloak/client.sh) ||
    refuse "Keycloak has not made a client for $analysis, see above." \
        "It knows the KEYCLOAK_ADMIN_PASSWORD of its first start only; was the kit's changed since?"
printf '%s\n' "$secret" | inside trust-api python -c "$(cat keycloak/ask_token.py)" "$analysis" ||
    refuse "Keycloak has given no token to $analysis, see above." "docker compose -p $STACK logs keycloak may say more."
