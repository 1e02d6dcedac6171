"""Database, object store, hub and token issuer are away: when the agent starts, and while it runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from flame_node_agent.devstack.oidc import OidcIssuer
from flame_node_agent.devstack.ports import LOOPBACK, free_ports
from flame_node_agent.devstack.testing import LazyParts, RunningHub
from tests.acceptance.bearers import Bearer, Bearers
from tests.acceptance.conftest import NewAgent
from tests.acceptance.running_agents import PATIENCE_SECONDS, RunningAgent
from tests.acceptance.tcp_gates import Gate

READY = {"status": "ready", "missing": {}}


@dataclass(frozen=True)
class Surroundings:
    """One agent, and a gate before each thing it needs."""

    agent: RunningAgent
    issuer: OidcIssuer
    database: Gate
    store: Gate
    hub: Gate
    development_hub: RunningHub

    def new_analysis(self, bearers: Bearers) -> Bearer:
        """The token of a new analysis, of the agent's own issuer."""
        analysis = self.development_hub.new_analysis()
        return bearers.noted(self.issuer.issue(str(analysis.id)))


@pytest.fixture
def surroundings(new_agent: NewAgent, parts: LazyParts) -> Iterator[Surroundings]:
    """Everything is away, and the agent is not started."""
    hub = parts.hub()
    issuer = OidcIssuer(parts.directory / f"oidc-{uuid.uuid4().hex}", port=free_ports(1)[0])
    with ExitStack() as stack:
        database_access, bucket_access = parts.new_database(), parts.new_bucket()
        database = stack.enter_context(Gate(database_access.port))
        store = stack.enter_context(Gate(int(bucket_access.endpoint.rpartition(":")[2])))
        hub_gate = stack.enter_context(Gate(httpx.URL(hub.urls.core).port or 0))
        agent = new_agent(
            **database_access.variables() | {"POSTGRES__PORT": str(database.port)},
            **bucket_access.variables() | {"MINIO__ENDPOINT": f"{LOOPBACK}:{store.port}"},
            OIDC__CERTS_URL=issuer.certs_url,
            HUB__CORE_BASE_URL=f"http://{LOOPBACK}:{hub_gate.port}/core",
            HUB__STORAGE_BASE_URL=f"http://{LOOPBACK}:{hub_gate.port}/storage",
            HUB__AUTH_BASE_URL=f"http://{LOOPBACK}:{hub_gate.port}/auth",
            RESULTS__INTERMEDIATE_DEADLINE_SECONDS="3",
            RESULTS__LOOKUP_DEADLINE_SECONDS="1",
            OUTBOX__BACKOFF_CAP_SECONDS="1",
            HTTP__READ_TIMEOUT_SECONDS="2",
        )
        stack.callback(issuer.stop)
        stack.callback(agent.stop)
        yield Surroundings(agent, issuer, database, store, hub_gate, hub)


@pytest.fixture
def all_there(surroundings: Surroundings) -> Surroundings:
    """Everything is there, and the agent is ready."""
    surroundings.issuer.start()
    for gate in (surroundings.database, surroundings.store, surroundings.hub):
        gate.open()
    surroundings.agent.start()
    return surroundings


def eventually(
    look: Callable[[], httpx.Response], expected: Callable[[httpx.Response], bool]
) -> httpx.Response:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not expected(answer := look()):
        assert time.monotonic() < deadline, (answer.status_code, answer.text)
        time.sleep(0.1)
    return answer


def at_once(send: Callable[[str], httpx.Response], paths: tuple[str, ...]) -> list[httpx.Response]:
    """Each answer takes as long as the agent waits for what is away."""
    with ThreadPoolExecutor(len(paths)) as senders:
        return list(senders.map(send, paths))


def assert_told_to_come_back(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json().keys() == {"detail"}


def test_agent_starts_with_everything_away_and_becomes_ready_by_itself(
    surroundings: Surroundings, bearers: Bearers
) -> None:
    """Alive at once, not ready and naming what is missing, 503 to results; what comes later is noticed."""
    agent = surroundings.agent.start(wait_for_parts=False)
    started = time.monotonic()
    assert agent.http.get("/healthz").json() == {"status": "ok"}
    assert time.monotonic() - started < 1
    missing = agent.http.get("/readyz")
    assert missing.status_code == 503
    assert missing.json()["missing"].keys() == {"database", "object_store", "signing_keys"}

    surroundings.issuer.start()
    auth = surroundings.new_analysis(bearers)
    for answer in at_once(
        lambda path: agent.http.put(path, auth=auth, files={"file": b"content"}),
        ("/final", "/intermediate", "/local"),
    ):
        assert_told_to_come_back(answer)
    missing = agent.http.get("/readyz")
    assert missing.json()["missing"].keys() == {"database", "object_store"}

    surroundings.database.open()
    surroundings.store.open()
    eventually(lambda: agent.http.get("/readyz"), lambda answer: answer.json() == READY)
    accepted = agent.http.put("/final", auth=auth, files={"file": b"content"})
    assert accepted.status_code == 204
    assert_told_to_come_back(agent.http.put("/local", auth=auth, files={"file": b"content"}))

    surroundings.hub.open()
    agent.delivered(accepted, auth)
    eventually(
        lambda: agent.http.put("/local", auth=auth, files={"file": b"content"}),
        lambda answer: answer.status_code == 200,
    )


def test_results_are_accepted_and_read_while_the_hub_is_away(
    all_there: Surroundings, bearers: Bearers
) -> None:
    """Of an analysis that is known: final results wait, local ones need no hub; only others are told to come back."""
    agent, auth = all_there.agent, all_there.new_analysis(bearers)
    assert agent.http.put("/local", auth=auth, files={"file": b"first"}).status_code == 200
    all_there.hub.close()
    final = agent.http.put("/final", auth=auth, files={"file": b"final"})
    assert final.status_code == 204
    local = agent.http.put("/local", auth=auth, files={"file": b"local"}, data={"tag": "model"})
    assert local.status_code == 200
    assert agent.http.get(local.json()["url"], auth=auth).content == b"local"
    assert agent.http.get("/local/tags", auth=auth).json()["tags"][0]["name"] == "model"
    assert agent.upload_of(final, auth)["state"] in {"waiting", "uploading"}
    assert_told_to_come_back(agent.http.put("/intermediate", auth=auth, files={"file": b"x"}))
    assert_told_to_come_back(agent.http.get("/local/tags", auth=all_there.new_analysis(bearers)))
    assert agent.http.get("/readyz").json() == READY
    all_there.hub.open()
    agent.delivered(final, auth)
    assert agent.objects("outbox/") == set()


def test_intermediate_result_that_cannot_be_delivered_leaves_nothing(
    all_there: Surroundings, bearers: Bearers
) -> None:
    """Known buckets, a hub that goes away: 503 within the deadline, and nothing at either side."""
    agent, auth = all_there.agent, all_there.new_analysis(bearers)
    assert agent.http.put("/intermediate", auth=auth, files={"file": b"known"}).status_code == 200
    before = len(all_there.development_hub.uploads())
    all_there.hub.close()
    started = time.monotonic()
    assert_told_to_come_back(agent.http.put("/intermediate", auth=auth, files={"file": b"lost"}))
    assert time.monotonic() - started < 6
    all_there.hub.open()
    agent.await_emptied("outbox/")
    assert len(all_there.development_hub.uploads()) == before


def test_database_away_is_told_as_busy(all_there: Surroundings, bearers: Bearers) -> None:
    """503 with Retry-After where the FLAME services answer 500; in order again when it is back."""
    agent, auth = all_there.agent, all_there.new_analysis(bearers)
    all_there.database.close()
    for answer in at_once(
        lambda path: agent.http.put(path, auth=auth, files={"file": b"content"}), ("/final", "/local")
    ):
        assert_told_to_come_back(answer)
        assert answer.json() == {"detail": "The database is unavailable"}
    assert agent.http.get("/readyz").json()["missing"].keys() == {"database"}
    all_there.database.open()
    eventually(lambda: agent.http.get("/local/tags", auth=auth), lambda answer: answer.status_code == 200)


def test_object_store_away_is_told_as_busy(all_there: Surroundings, bearers: Bearers) -> None:
    """To those who store; those who read get the 502 of the FLAME services."""
    agent, auth = all_there.agent, all_there.new_analysis(bearers)
    local = agent.http.put("/local", auth=auth, files={"file": b"content"})
    all_there.store.close()
    for path in ("/final", "/local"):
        answer = agent.http.put(path, auth=auth, files={"file": b"content"})
        assert_told_to_come_back(answer)
        assert answer.json() == {"detail": "The object store is unavailable"}
    read = agent.http.get(local.json()["url"], auth=auth)
    assert (read.status_code, read.json()) == (502, {"detail": "Unexpected error from object store"})
    all_there.store.open()
    eventually(
        lambda: agent.http.get(local.json()["url"], auth=auth), lambda answer: answer.content == b"content"
    )
