"""Calls to the other services of this trust: data-access-api, imaging-api and, for its health alone, XNAT.

They stand on the internal network, so no proxy is between. What they answer is put into words as FLIP's trust-api
does: "<status>: <detail>", with 502 where no sensible answer came. One that is away for a moment, as it is during an
upgrade, is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, Self

import httpx
import structlog

from flame_node_agent import __version__
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.errors import ServiceAway, ServiceFailed
from flame_node_agent.hub.answers import one_line
from flame_node_agent.hub.decoding import Garbled, blocks
from flame_node_agent.hub.exchange import MAX_ANSWER_BYTES
from flame_node_agent.hub.patience import Patience
from flame_node_agent.hub.pools import HubConnections
from flame_node_agent.hub.retry import while_it_may_pass
from flame_node_agent.hub.tls import tls_context

log = structlog.get_logger(__name__)

BAD_GATEWAY = 502
UNAVAILABLE = 503
NO_CONTENT = 204
MAX_DETAIL_CHARACTERS = 1000
MAX_REDIRECTS = 5


@dataclass(frozen=True)
class ServiceAnswer:
    """A complete answer, whatever its status."""

    status: int
    text: str
    will_pass: bool = False
    """It is a 503 with Retry-After: the same request may succeed later (RFC 9110, 15.6.4)."""

    @property
    def succeeded(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Decode the body; ValueError when it is no JSON."""
        try:
            return json.loads(self.text)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class TrustService:
    """One service of this trust."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        tls: SSLContext,
        credentials: Mapping[str, str],
        connect_seconds: float,
        patience_seconds: float = 0,
    ) -> None:
        """``name`` is for the log, ``credentials`` are headers; a service that is away is waited for so long.

        Nothing limits how long an answer may take: whoever calls does that.
        """
        self._name = name
        self._patience = Patience(patience_seconds)
        self._base_url = base_url.rstrip("/")
        self._credentials = dict(credentials)
        self._client = httpx.AsyncClient(
            transport=HubConnections(tls),
            trust_env=False,
            timeout=httpx.Timeout(None, connect=connect_seconds),
            headers={
                "User-Agent": f"flame-node-agent/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
        )

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask for ``path`` and give the JSON of a success; None where it has no content.

        While the service is away it is asked again, so whatever it is asked for must bear that, as tasks do.

        Raises:
            ServiceAway: no answer at all, or a 503 that will pass, for longer than the service is waited for.
            ServiceFailed: another answer from 400 up, or no JSON (FLIP trust-api, ``utils/http.py``).
        """

        async def attempt() -> Any:
            return await self._call(
                self._client.build_request(
                    method,
                    f"{self._base_url}{path}",
                    json=body,
                    params=query,
                    headers={**self._credentials, **(headers or {})},
                )
            )

        return await while_it_may_pass(
            attempt, may_wait=lambda wait: wait < self._patience.left, what="service"
        )

    async def _call(self, request: httpx.Request) -> Any:
        try:
            answer = await self._ask(request)
        except ServiceFailed as failed:
            reason = one_line(repr(failed.__cause__ or failed))
            if not isinstance(failed, ServiceAway) or self._patience.found_away(reason):
                log.warning("service.unreachable", service=self._name, error=reason)
            raise
        if self._patience.found_there():
            log.info("service.is_back", service=self._name)
        if answer.status >= 400:
            raise ServiceFailed(answer.status, _detail(answer))
        if answer.status == NO_CONTENT:
            return None
        try:
            if answer.succeeded:
                return answer.json()
        except ValueError:
            pass
        raise ServiceFailed(BAD_GATEWAY, "External API returned non-JSON response")

    async def _ask(self, request: httpx.Request) -> ServiceAnswer:
        answer = await self._send(request)
        if answer.will_pass:
            raise ServiceAway(answer.status, _detail(answer))
        return answer

    async def look(self, path: str, *, with_credentials: bool = False) -> ServiceAnswer:
        """Fetch ``path`` for its status; ServiceFailed when nothing answers. Credentials are for routes that ask."""
        headers = self._credentials if with_credentials else {}
        return await self._send(self._client.build_request("GET", f"{self._base_url}{path}", headers=headers))

    async def _send(self, request: httpx.Request) -> ServiceAnswer:
        origin = _origin(request.url)
        try:
            for _ in range(MAX_REDIRECTS):
                response = await self._client.send(request, stream=True)
                try:
                    # Followed within the service only: its credentials are nobody else's.
                    following = response.next_request
                    if following is None or _origin(following.url) != origin:
                        will_pass = response.status_code == UNAVAILABLE and "Retry-After" in response.headers
                        return ServiceAnswer(response.status_code, await _text(response), will_pass)
                    request = following
                finally:
                    await response.aclose()
        except httpx.RequestError as error:
            # The hub is told the kind alone: the text names addresses within the building.
            reason = f"Failed to connect to remote service: {type(error).__name__}"
            raise ServiceAway(BAD_GATEWAY, reason) from error
        except Garbled as error:
            raise ServiceFailed(BAD_GATEWAY, "External API returned non-JSON response") from error
        raise ServiceFailed(BAD_GATEWAY, "Failed to connect to remote service: too many redirects")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class TrustServices:
    """The services that tasks of the hub need."""

    def __init__(
        self, data_access: TrustService, imaging: TrustService, xnat: TrustService, admin: Mapping[str, str]
    ) -> None:
        self.data_access = data_access
        self.imaging = imaging
        self.xnat = xnat
        self.cohort_admin_headers = admin
        """Proof that this is the agent, which may freeze cohorts, and not code of a researcher."""

    @classmethod
    def open(cls, settings: TaskSettings) -> Self:
        """Make the clients; connects to nothing yet."""
        tls = tls_context(settings.extra_ca_certs)
        connect_seconds = settings.http.connect_timeout_seconds

        def service(name: str, url: object, credentials: Mapping[str, str]) -> TrustService:
            return TrustService(
                name,
                str(url),
                tls=tls,
                credentials=credentials,
                connect_seconds=connect_seconds,
                patience_seconds=settings.tasks.service_patience_seconds,
            )

        key = settings.trust_internal_service_key
        internal = {settings.trust_internal_service_key_header: key.get_secret_value()} if key else {}
        # FLIP data-access-api: the key is SHA-256 of the shared key's base64 text, which only agent and service hold.
        admin_key = hashlib.sha256(settings.aes_key_base64.get_secret_value().encode()).hexdigest()
        return cls(
            data_access=service("data-access-api", settings.data_access_api_url, internal),
            imaging=service("imaging-api", settings.imaging_api_url, internal),
            xnat=service("xnat", settings.xnat_url, {}),
            admin={settings.cohort_admin_key_header: admin_key},
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for service in (self.data_access, self.imaging, self.xnat):
            await service.aclose()


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


async def _text(response: httpx.Response) -> str:
    """Read a body of bounded size; Garbled beyond."""
    body = bytearray()
    async with aclosing(blocks(response)) as parts:
        async for part in parts:
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise Garbled("longer than any answer of a service")
    return body.decode("utf-8", "replace")


def _detail(answer: ServiceAnswer) -> str:
    """Say why a service refused.

    The services say it as ``{"detail": …}``, and the hub knows texts such as ``500: query_failed`` only without the
    braces around. FastAPI's own list of what is wrong with a request repeats the values, which are left out here.
    """
    try:
        said = answer.json()
    except ValueError:
        said = None
    match said:
        case {"detail": str(detail)}:
            text = detail
        case {"detail": list(problems)}:
            text = "; ".join(map(_problem, problems))
        case _:
            text = answer.text
    return text[:MAX_DETAIL_CHARACTERS]


def _problem(problem: Any) -> str:
    match problem:
        case {"msg": str(message), "loc": [*place]}:
            return f"{'.'.join(map(str, place))}: {message}"
        case _:
            return "invalid request"
