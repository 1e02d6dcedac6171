"""How each service is looked at: what the tests of FLIP's trust-api check of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
import respx

from flame_node_agent import __version__
from flame_node_agent.agent import health_probes
from flame_node_agent.agent.health_collector import HealthCollector, roster
from flame_node_agent.agent.health_probes import Probes
from flame_node_agent.hub.trust_services import TrustServices
from flame_node_agent.wire.health import HealthStatus, ServiceHealth
from tests.unit.agent.health_ground import BUILD_INFO, DATA, IMAGING, PACS, settings


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as mocked:
        yield mocked


@pytest.fixture
async def services() -> AsyncIterator[TrustServices]:
    opened = TrustServices.open(settings())
    yield opened
    await opened.aclose()


@pytest.fixture
def look(services: TrustServices) -> Callable[..., Awaitable[ServiceHealth]]:
    """Look at one service of the roster."""

    async def at(name: str, **variables: str) -> ServiceHealth:
        return await roster(settings(**variables), services)[name]()

    return at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of probes and collector; each look at it takes 10 ms."""
    now = [1000.0]

    def monotonic() -> float:
        now[0] += 0.01
        return now[0]

    monkeypatch.setattr(health_probes, "time", SimpleNamespace(monotonic=monotonic))
    return now


@pytest.fixture
async def listening() -> AsyncIterator[int]:
    """A port on which somebody accepts connections and says nothing."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("name", "url"), [("data-access-api", DATA), ("imaging-api", IMAGING)])
async def test_latency_and_version_are_recorded(router, look, clock, name, url) -> None:
    route = router.get(f"{url}/health").respond(json={"status": "ok", "version": "1.2.3"})
    assert await look(name) == ServiceHealth(HealthStatus.HEALTHY, "1.2.3", 10)
    assert "X-Trust-Internal-Service-Key" not in route.calls.last.request.headers


async def test_slow_service_is_degraded(router, look, clock) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        clock[0] += 2
        return httpx.Response(200, json={})

    router.get(f"{DATA}/health").mock(side_effect=slow)
    assert await look("data-access-api") == ServiceHealth(HealthStatus.DEGRADED, None, 2010)
    patient = await look("data-access-api", HEALTH_PROBE_DEGRADED_MS="3000")
    assert patient.status is HealthStatus.HEALTHY


async def test_refused_connection_is_down(router, look) -> None:
    router.route().mock(side_effect=httpx.ConnectError("refused"))
    for name in ("data-access-api", "imaging-api", "xnat"):
        assert await look(name) == ServiceHealth(HealthStatus.DOWN)


@pytest.mark.parametrize("status", [302, 404, 500, 503])
async def test_service_that_does_not_say_yes_is_down(router, look, status) -> None:
    router.route().respond(status, json={"version": "1"})
    for name in ("data-access-api", "imaging-api", "xnat"):
        answered = await look(name)
        assert (answered.status, answered.version) == (HealthStatus.DOWN, None)
        assert answered.response_ms is not None


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", "1", "null", '{"version": 1}', '{"version": null}', "[" * 100_000]
)
async def test_odd_bodies_are_tolerated(router, look, body) -> None:
    router.route().respond(200, text=body)
    for name in ("data-access-api", "imaging-api", "xnat"):
        answered = await look(name)
        assert (answered.status, answered.version) == (HealthStatus.HEALTHY, None)


async def test_version_is_cut_to_what_the_hub_takes(router, look) -> None:
    router.get(f"{DATA}/health").respond(json={"version": "v" * 100})
    assert (await look("data-access-api")).version == "v" * 64
    assert (await look("trust-api", FLIP_RELEASE="r" * 100)).version == "r" * 64
    assert (await look("fl-client", FL_CLIENT_IMAGE_TAG="t" * 100)).version == "t" * 64


async def test_xnat_tells_its_version(router, look) -> None:
    router.get(BUILD_INFO).respond(json={"version": "1.9.1"})
    assert (await look("xnat")).version == "1.9.1"


@pytest.mark.parametrize("status", [401, 403])
async def test_xnat_that_wants_a_login_is_alive(router, look, status) -> None:
    router.get(BUILD_INFO).respond(status, json={"version": "1.9.1"})
    answered = await look("xnat")
    assert (answered.status, answered.version) == (HealthStatus.HEALTHY, None)


async def test_pacs_is_asked_for_with_the_internal_key(router, look, clock) -> None:
    route = router.get(PACS).respond(json={"successful": True, "pingTime": 123456})
    assert await look("dicom") == ServiceHealth(HealthStatus.HEALTHY, None, 10)
    assert route.calls.last.request.headers["X-Trust-Internal-Service-Key"] == "internal-secret-4711"


async def test_pacs_that_does_not_answer_the_ping_is_down(router, look) -> None:
    router.get(PACS).respond(json={"successful": False})
    assert (await look("dicom")).status is HealthStatus.DOWN


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.Response(500, json={"successful": True}),
        httpx.Response(401, json={"detail": "no"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={}),
        httpx.Response(200, json={"successful": "maybe"}),
    ],
    ids=["refused", "500", "401", "html", "list", "silent", "odd"],
)
async def test_without_a_clear_word_nothing_is_known_of_the_pacs(router, look, answer) -> None:
    router.get(PACS).mock(side_effect=[answer])
    assert await look("dicom") == ServiceHealth(HealthStatus.UNKNOWN)


async def test_database_that_accepts_connections_is_healthy(look, listening) -> None:
    answered = await look("omop", OMOP_DB_PORT=str(listening))
    assert answered.response_ms is not None
    assert answered.version is None
    assert answered.status in {HealthStatus.HEALTHY, HealthStatus.DEGRADED}


async def test_database_that_accepts_none_is_down(look) -> None:
    assert await look("omop") == ServiceHealth(HealthStatus.DOWN)


async def test_probe_that_takes_too_long_is_given_up(look, services, monkeypatch) -> None:
    """Somebody accepts connections and says nothing."""
    monkeypatch.setattr(health_probes, "PROBE_SECONDS", 0.05)
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    async with asyncio.timeout(60):
        async with silent:
            port = silent.sockets[0].getsockname()[1]
            opened = TrustServices.open(
                settings(
                    DATA_ACCESS_API_URL=f"http://127.0.0.1:{port}", IMAGING_API_URL=f"http://127.0.0.1:{port}"
                )
            )
            probes = Probes(1000)
            assert await probes.service(opened.data_access) == ServiceHealth(HealthStatus.DOWN)
            assert await probes.xnat(opened.data_access) == ServiceHealth(HealthStatus.DOWN)
            assert await probes.dicom(opened.imaging) == ServiceHealth(HealthStatus.UNKNOWN)
            await opened.aclose()


def test_numbers_stay_within_what_the_hub_takes() -> None:
    assert ServiceHealth(HealthStatus.HEALTHY, None, 2_000_000).response_ms == 1_000_000
    assert ServiceHealth(HealthStatus.HEALTHY, None, -1).response_ms == 0


def test_roster_is_exactly_these(services) -> None:
    names = ["trust-api", "imaging-api", "data-access-api", "xnat", "dicom", "omop"]
    assert list(roster(settings(), services)) == names


async def test_own_row_is_static(look) -> None:
    assert await look("trust-api") == ServiceHealth(HealthStatus.HEALTHY, __version__, None)
    assert (await look("trust-api", FLIP_RELEASE="2026.1")).version == "2026.1"


async def test_fl_client_is_told_only_with_a_tag(services, look) -> None:
    assert "fl-client" not in roster(settings(), services)
    assert await look("fl-client", FL_CLIENT_IMAGE_TAG="sha-1") == ServiceHealth(
        HealthStatus.UNKNOWN, "sha-1"
    )


async def test_snapshot_has_the_form_that_the_hub_takes(router, services) -> None:
    router.route().respond(json={"version": "1", "successful": True})
    whole = HealthCollector(roster(settings(), services), interval_seconds=30)
    await whole.round()
    snapshot = whole.snapshot
    assert snapshot is not None
    assert set(snapshot) == {"services", "collected_at"}
    assert 1 <= len(snapshot["services"]) <= 16
    for health in snapshot["services"].values():
        assert set(health) == {"status", "version", "response_ms"}
        assert health["status"] in {"healthy", "degraded", "down", "unknown"}
    assert datetime.fromisoformat(snapshot["collected_at"]).tzinfo is UTC
