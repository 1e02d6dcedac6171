"""A small OpenID Connect issuer for the development stack, with Keycloak's paths and token claims.

Discovery (OpenID Connect Discovery 1.0), JWKS (RFC 7517) and the client_credentials grant (RFC 6749, section
4.4) with RS256 tokens, as FLAME's pod orchestration obtains them: an analysis' client id is its analysis id.
Clients register themselves: the secret shown first for a client id is its secret from then on.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
import uuid
from pathlib import Path
from urllib.parse import parse_qs, unquote_plus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from joserfc import jwt
from joserfc.jwk import KeySet, KeySetSerialization, RSAKey

from flame_node_agent.devstack.ports import LOOPBACK
from flame_node_agent.devstack.private_files import read_json, write_json
from flame_node_agent.devstack.serving import ServerThread

_REALM = "/realms/flame"
_PROTOCOL = f"{_REALM}/protocol/openid-connect"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

type Claim = str | int | float | bool | list[str] | None


class OidcIssuer:
    """An issuer on a loopback port whose keys and clients live in ``directory``, so that restarts keep them.

    ``lifetime_seconds`` is how long a token of the token endpoint is good for.
    """

    def __init__(self, directory: Path, *, port: int, lifetime_seconds: int = 3600) -> None:
        self.base_url = f"http://{LOOPBACK}:{port}"
        self.issuer = f"{self.base_url}{_REALM}"
        self.token_url = f"{self.base_url}{_PROTOCOL}/token"
        self.certs_url = f"{self.base_url}{_PROTOCOL}/certs"
        self.lifetime_seconds = lifetime_seconds
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keys = self._load_keys()
        self._clients: dict[str, str] = read_json(directory / "clients.json")
        self._server = ServerThread(self._application(), port=port)

    def start(self) -> None:
        """Serve; StackError if the port is taken."""
        self._server.start()

    def stop(self) -> None:
        """Go away; :meth:`start` brings the same issuer back."""
        self._server.stop()

    @property
    def key(self) -> RSAKey:
        """The private key that signs now; for tests that forge tokens."""
        return self._keys[-1]

    def jwks(self) -> KeySetSerialization:
        """What the certs endpoint answers: the public halves of all keys not withdrawn."""
        return KeySet(list(self._keys)).as_dict(private=False)

    def rotate(self, *, withdraw: bool = False) -> None:
        """Sign with a new key from now on; with ``withdraw`` the former keys vanish from the JWKS."""
        self._keys = [] if withdraw else self._keys
        self._keys.append(_new_key())
        self._save_keys()

    def issue(self, client_id: str, *, lifetime_seconds: float | None = None, **claims: Claim) -> str:
        """A signed token for ``client_id``. ``claims`` replace the usual ones; None leaves a claim out."""
        now = int(time.time())
        lifetime = self.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        payload: dict[str, Claim] = {
            "iss": self.issuer,
            "aud": "account",
            "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.issuer}/{client_id}")),
            "typ": "Bearer",
            "azp": client_id,
            "client_id": client_id,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + int(lifetime),
        }
        payload = {name: value for name, value in (payload | claims).items() if value is not None}
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self.key.kid}, payload, self.key)

    def _application(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        app.add_api_route(f"{_REALM}/.well-known/openid-configuration", self._discovery, methods=["GET"])
        app.add_api_route(f"{_PROTOCOL}/certs", self._certs, methods=["GET"])
        app.add_api_route(f"{_PROTOCOL}/token", self._token, methods=["POST"], response_model=None)
        return app

    async def _discovery(self) -> dict[str, object]:
        return {
            "issuer": self.issuer,
            "token_endpoint": self.token_url,
            "jwks_uri": self.certs_url,
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    async def _certs(self) -> dict[str, object]:
        return dict(self.jwks())

    async def _token(self, request: Request) -> JSONResponse:
        form = {
            name: values[-1]
            for name, values in parse_qs((await request.body()).decode(errors="replace")).items()
        }
        client_id, secret = _credentials(request.headers.get("Authorization", ""), form)
        if "grant_type" not in form:
            return _refusal(400, "invalid_request", "Missing form parameter: grant_type")
        if form["grant_type"] != "client_credentials":
            return _refusal(400, "unsupported_grant_type", "Only client_credentials is supported")
        if not client_id or not secret or not self._knows(client_id, secret):
            return _refusal(401, "invalid_client", "Invalid client or Invalid client credentials")
        answer = {
            "access_token": self.issue(client_id),
            "token_type": "Bearer",
            "expires_in": self.lifetime_seconds,
            "scope": "profile email",
        }
        return JSONResponse(answer, headers=_NO_STORE)

    def _knows(self, client_id: str, secret: str) -> bool:
        if client_id not in self._clients:
            self._clients[client_id] = secret
            write_json(self._directory / "clients.json", self._clients)
        return hmac.compare_digest(self._clients[client_id].encode(), secret.encode())

    def _load_keys(self) -> list[RSAKey]:
        stored: dict[str, list[dict[str, str]]] = read_json(self._directory / "keys.json")
        if stored:
            return [RSAKey.import_key(dict(key)) for key in stored["keys"]]
        self._keys = [_new_key()]
        self._save_keys()
        return self._keys

    def _save_keys(self) -> None:
        write_json(self._directory / "keys.json", KeySet(list(self._keys)).as_dict(private=True))


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)


def _credentials(authorization: str, form: dict[str, str]) -> tuple[str, str]:
    """Client id and secret of a token request, from Basic authentication or body (RFC 6749, 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _refusal(status: int, error: str, description: str) -> JSONResponse:
    """An error answer (RFC 6749, section 5.2)."""
    headers = dict(_NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="flame"'
    return JSONResponse(
        {"error": error, "error_description": description}, status_code=status, headers=headers
    )
