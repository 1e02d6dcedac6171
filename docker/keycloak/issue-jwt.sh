#!/bin/sh
# Print a token for the result endpoint of `docker compose up -d` at the root; good for an hour.
#   docker/keycloak/issue-jwt.sh [analysis id]
# Without an argument: for the analysis that the development hub knows.
set -eu
cd "$(dirname "$0")/../.."
exec docker compose exec -T issuer python - "${1:-00000000-0000-0000-0000-0000000000a0}" <docker/development/issue_jwt.py
