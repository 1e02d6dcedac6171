"""The node's access token."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from flame_node_agent.config.settings import Settings
from flame_node_agent.errors import HubCredentialsRefused, HubUnavailable, HubUnexpected
from flame_node_agent.hub.auth import MARGIN_SECONDS, TokenSource
from tests.unit.hub.conftest import AUTH

PASSWORD = {
    "HUB__AUTH__FLOW": "password",
    "HUB__AUTH__USERNAME": "node",
    "HUB__AUTH__PASSWORD": "password-4711",
}
CLIENT = {"HUB__AUTH__FLOW": "client", "HUB__AUTH__ID": "client-id", "HUB__AUTH__SECRET": "client-secret"}
NO = {"statusCode": 401, "code": "identity_unauthorized", "message": "Client authentication failed"}


class Endpoint:
    """The token endpoint: numbers the tokens it gives, and remembers what it was asked."""

    def __init__(self, router: respx.MockRouter) -> None:
        self.grants: list[dict[str, str]] = []
        self.answers: list[httpx.Response | Exception] = []
        self.extra: dict[str, Any] = {}
        self.expires_in = 900.0
        self.delay = 0.0
        self.route = router.post(f"{AUTH}/token").mock(side_effect=self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.grants.append(json.loads(request.content))
        await asyncio.sleep(self.delay)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        token = f"token-{len(self.grants)}"
        return httpx.Response(
            200, json={"access_token": token, "expires_in": self.expires_in, "scope": "global"} | self.extra
        )


@pytest.fixture
def endpoint() -> Any:
    with respx.mock(assert_all_called=False) as router:
        yield Endpoint(router)


class Clock:
    """The wall clock that tokens go by; calling it moves it on."""

    now = 1_000_000.0

    def __call__(self, seconds: float) -> None:
        self.now += seconds

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("flame_node_agent.hub.auth.time", clock)
    monkeypatch.setattr("authlib.oauth2.rfc6749.wrappers.time", clock)
    return clock


@pytest.fixture
async def source(settings_for: Callable[..., Settings]) -> AsyncIterator[Callable[..., TokenSource]]:
    sources: list[TokenSource] = []
    async with httpx.AsyncClient(base_url=AUTH) as client:

        def make(**variables: str) -> TokenSource:
            sources.append(TokenSource(client, settings_for(**variables).hub.auth))
            return sources[-1]

        yield make
        for made in sources:
            await made.aclose()


@pytest.mark.parametrize(
    ("variables", "grant"),
    [
        (PASSWORD, {"grant_type": "password", "username": "node", "password": "password-4711"}),
        ({}, {"grant_type": "robot_credentials", "id": "beepboop", "secret": "robot-secret-4711"}),
        (
            CLIENT,
            {
                "grant_type": "client_credentials",
                "client_id": "client-id",
                "client_secret": "client-secret",
            },
        ),
    ],
)
async def test_each_flow_asks_with_its_own_grant_as_json(
    endpoint: Endpoint,
    source: Callable[..., TokenSource],
    variables: dict[str, str],
    grant: dict[str, str],
) -> None:
    assert await source(**variables).token() == "token-1"
    assert endpoint.grants == [grant]
    assert endpoint.route.calls.last.request.headers["Content-Type"] == "application/json"


async def test_a_token_is_kept_until_shortly_before_its_end(
    endpoint: Endpoint, source: Callable[..., TokenSource], clock: Clock
) -> None:
    tokens = source()
    assert await tokens.token() == "token-1"
    clock(900 - MARGIN_SECONDS - 1)
    assert await tokens.token() == "token-1"
    clock(2)
    assert await tokens.token() == "token-2"
    assert len(endpoint.grants) == 2


async def test_a_short_lived_token_is_used_for_three_quarters_of_its_life(
    endpoint: Endpoint, source: Callable[..., TokenSource], clock: Clock
) -> None:
    endpoint.expires_in = 80
    tokens = source()
    await tokens.token()
    clock(59)
    assert await tokens.token() == "token-1"
    clock(2)
    assert await tokens.token() == "token-2"


async def test_however_many_ask_one_request_fetches_the_token(
    endpoint: Endpoint, source: Callable[..., TokenSource]
) -> None:
    endpoint.delay = 0.05
    tokens = source()

    assert set(await asyncio.gather(*(tokens.token() for _ in range(50)))) == {"token-1"}
    assert len(endpoint.grants) == 1


async def test_who_gives_up_waiting_does_not_take_the_token_from_the_others(
    endpoint: Endpoint, source: Callable[..., TokenSource]
) -> None:
    endpoint.delay = 0.05
    tokens = source()
    impatient = asyncio.create_task(tokens.token())
    patient = asyncio.create_task(tokens.token())
    await asyncio.sleep(0.01)
    impatient.cancel()

    assert await patient == "token-1"
    assert len(endpoint.grants) == 1


async def test_a_failed_renewal_fails_all_who_wait_and_the_next_one_tries_again(
    endpoint: Endpoint, source: Callable[..., TokenSource]
) -> None:
    endpoint.answers = [httpx.ConnectError("refused")]
    endpoint.delay = 0.02
    tokens = source()

    outcomes = await asyncio.gather(*(tokens.token() for _ in range(5)), return_exceptions=True)

    assert all(isinstance(outcome, HubUnavailable) for outcome in outcomes)
    assert len(endpoint.grants) == 1
    assert await tokens.token() == "token-2"


@pytest.mark.usefixtures("endpoint")
async def test_an_invalid_token_is_replaced_once_by_all_who_found_it_so(
    source: Callable[..., TokenSource],
) -> None:
    tokens = source()
    old = await tokens.token()

    async def replace() -> str:
        tokens.invalidate(old)
        return await tokens.token()

    assert set(await asyncio.gather(*(replace() for _ in range(10)))) == {"token-2"}
    tokens.invalidate(old)
    assert await tokens.token() == "token-2"


async def test_the_password_flow_uses_its_refresh_token(
    endpoint: Endpoint, source: Callable[..., TokenSource], clock: Clock
) -> None:
    endpoint.extra = {"refresh_token": "refresh-1"}
    tokens = source(**PASSWORD)
    await tokens.token()
    endpoint.extra = {}
    for _ in range(2):
        clock(1000)
        await tokens.token()

    refresh = {"grant_type": "refresh_token", "refresh_token": "refresh-1"}
    assert endpoint.grants[1:] == [refresh, refresh]  # an answer without a new one leaves the old one good


@pytest.mark.parametrize(
    "refusal",
    [
        httpx.Response(401, json=NO),
        httpx.Response(400, json={"error": "invalid_grant"}),
        httpx.Response(404, json=NO | {"statusCode": 404}),
        httpx.Response(500, json=NO | {"statusCode": 500}),
    ],
)
async def test_a_refused_refresh_token_leads_back_to_the_password(
    endpoint: Endpoint,
    source: Callable[..., TokenSource],
    clock: Clock,
    refusal: httpx.Response,
) -> None:
    endpoint.extra = {"refresh_token": "refresh-1"}
    tokens = source(**PASSWORD)
    await tokens.token()
    clock(1000)
    endpoint.answers = [refusal]

    assert await tokens.token() == "token-3"
    assert [grant["grant_type"] for grant in endpoint.grants] == ["password", "refresh_token", "password"]


async def test_other_flows_never_use_a_refresh_token(
    endpoint: Endpoint, source: Callable[..., TokenSource], clock: Clock
) -> None:
    endpoint.extra = {"refresh_token": "refresh-1"}
    tokens = source(**CLIENT)
    await tokens.token()
    clock(1000)
    await tokens.token()

    assert [grant["grant_type"] for grant in endpoint.grants] == ["client_credentials"] * 2


@pytest.mark.parametrize(
    "refusal",
    [
        *(httpx.Response(status, json=NO | {"statusCode": status}) for status in (400, 401, 403, 404)),
        *(httpx.Response(status, json={"error": "invalid_client"}) for status in (400, 401, 403)),
    ],
)
async def test_refused_credentials_are_said_to_be_so(
    endpoint: Endpoint, source: Callable[..., TokenSource], refusal: httpx.Response
) -> None:
    endpoint.answers = [refusal]

    with pytest.raises(HubCredentialsRefused):
        await source().token()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"expires_in": 900}),
        httpx.Response(200, json={"access_token": "", "expires_in": 900}),
        httpx.Response(200, json={"access_token": "two\r\nlines", "expires_in": 900}),
        httpx.Response(200, json={"access_token": "t", "expires_in": -1}),
        httpx.Response(200, json=["t"]),
        httpx.Response(200, text="<html>please sign in</html>"),
        httpx.Response(500, json={"statusCode": 500, "code": "internal_error", "message": "oops"}),
    ],
)
async def test_an_answer_without_a_token_is_unexpected(
    endpoint: Endpoint, source: Callable[..., TokenSource], answer: httpx.Response
) -> None:
    endpoint.answers = [answer]

    with pytest.raises(HubUnexpected):
        await source().token()


async def test_neither_token_nor_credentials_are_shown(
    endpoint: Endpoint, source: Callable[..., TokenSource]
) -> None:
    endpoint.answers = [httpx.Response(200, json={"access_token": "tell-no-one", "expires_in": "never"})]
    tokens = source()
    with capture_logs() as logs, pytest.raises(HubUnexpected) as caught:
        await tokens.token()
    await tokens.token()

    shown = repr(caught.value) + repr(logs) + repr(tokens) + repr(tokens._token)
    assert caught.value.__cause__ is None
    assert "tell-no-one" not in shown
    assert "robot-secret-4711" not in shown
    assert "token-2" not in shown
    assert "expires_in" in shown


async def test_closing_ends_a_renewal_that_is_under_way(
    endpoint: Endpoint, source: Callable[..., TokenSource]
) -> None:
    endpoint.delay = 60
    tokens = source()
    waiting = asyncio.create_task(tokens.token())
    await asyncio.sleep(0.01)
    started = time.monotonic()

    await tokens.aclose()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert time.monotonic() - started < 5
