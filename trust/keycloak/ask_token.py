"""Ask the stack's Keycloak for a token of one analysis, and print it (RFC 6749, section 4.4: client_credentials).

Runs inside trust-api, which reaches Keycloak. The client's secret comes by standard input.
"""

import json
import sys
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

TOKEN_URL = "http://keycloak:8080/realms/flame/protocol/openid-connect/token"  # noqa: S105 - an address

form = {
    "grant_type": "client_credentials",
    "client_id": sys.argv[1],
    "client_secret": sys.stdin.readline().strip(),
}
# Not by the proxy, which leads out of the building.
try:
    with build_opener(ProxyHandler({})).open(TOKEN_URL, urlencode(form).encode(), timeout=30) as answer:
        sys.stdout.write(json.load(answer)["access_token"] + "\n")
except HTTPError as error:
    sys.exit(f"{error.code}: {error.read(500).decode(errors='replace')}")
except OSError as error:
    sys.exit(f"Keycloak does not answer: {error}")
