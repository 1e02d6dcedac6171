#!/bin/bash
# Inside Keycloak's container, by standard input of its bash: have a client for the analysis $1, and print its secret.
# The administrator's password goes to kcadm by KC_CLI_PASSWORD, which it reads since Keycloak 25, and not as an argument.
set -euo pipefail
umask 077
export KC_OPTS=-Xmx128m # beside the server, within the container's memory
export KC_CLI_PASSWORD="$KC_BOOTSTRAP_ADMIN_PASSWORD"
session="/tmp/issue-jwt.$$"
trap 'rm -f "$session"' EXIT

# Without this script as its input.
kcadm() {
    /opt/keycloak/bin/kcadm.sh "$@" --config "$session" </dev/null
}

kcadm config credentials --server http://127.0.0.1:8080 --realm master --user "$KC_BOOTSTRAP_ADMIN_USERNAME" >&2
id=$(kcadm get clients -r flame -q "clientId=$1" --fields id --format csv --noquotes)
if [ -z "$id" ]; then
    # As FLAME's orchestration does: the client id is the analysis id. Keycloak draws the secret.
    id=$(kcadm create clients -r flame --id --body '{
        "clientId": "'"$1"'", "name": "flame-'"$1"'", "enabled": true, "publicClient": false,
        "serviceAccountsEnabled": true, "standardFlowEnabled": false, "directAccessGrantsEnabled": false,
        "protocolMappers": [{
            "name": "client_id", "protocol": "openid-connect", "protocolMapper": "oidc-hardcoded-claim-mapper",
            "config": {"claim.name": "client_id", "claim.value": "'"$1"'", "jsonType.label": "String",
                       "access.token.claim": "true"}}]}')
fi
kcadm get "clients/$id/client-secret" -r flame --fields value --format csv --noquotes
