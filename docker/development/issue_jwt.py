"""Print a token for the result endpoint, signed with the key of the development issuer; good for an hour."""

import json
import sys
import time
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import RSAKey

key = RSAKey.import_key(json.loads(Path("/state/private/issuer.json").read_text()))
now = int(time.time())
claims = {"client_id": sys.argv[1], "azp": sys.argv[1], "sub": sys.argv[1], "iat": now, "exp": now + 3600}
sys.stdout.write(jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key) + "\n")
