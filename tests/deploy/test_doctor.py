"""``make doctor-local-trust`` on the real engine: all is well, or exactly what has been broken is told."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from flame_node_agent.kit.checks import kit_secrets
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import write_kit
from tests.deploy.images import NODE
from tests.deploy.outside import TRUST_ID, Outside
from tests.deploy.trust_host import TrustHost, until

pytestmark = pytest.mark.usefixtures("outside")

NOT_USED = {"agent proxy", "agent tls", "agent fl-server"}
"""What the trust of these tests does not have."""
ASKED_OF_THE_AGENT = {
    "agent settings",
    "agent dns",
    "agent hub",
    "agent api-key",
    "agent object-store",
    "agent database",
}


@dataclass(frozen=True)
class Account:
    """What ``make doctor-local-trust JSON=1`` has told."""

    exit_code: int
    """Of the doctor; make's own is another."""
    lines: dict[str, dict[str, str]]

    def of(self, state: str) -> set[str]:
        return {name for name, line in self.lines.items() if line["state"] == state}

    @property
    def wrong(self) -> set[str]:
        return self.of("failed")


@pytest.fixture
def examined(trust: TrustHost) -> Callable[[], Account]:
    """Run the doctor; whatever it says is free of every secret of the kit."""
    secrets = set(kit_secrets(trust.kit()).values())

    def examine() -> Account:
        said = trust.make("doctor-local-trust", "JSON=1", check=False)
        assert [secret for secret in secrets if secret in said] == []
        (told,) = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        ended = re.search(r"\[[^]]*doctor-local-trust\] Error (\d+)", said)
        account = Account(
            int(ended[1]) if ended else 0, {f"{line['of']} {line['check']}": line for line in told["checks"]}
        )
        assert told["well"] is (account.wrong == set())
        assert [name for name in account.wrong if not account.lines[name]["do"]] == []
        return account

    return examine


@contextmanager
def changed_kit(trust: TrustHost, name: str, value: str) -> Iterator[None]:
    """The kit with another value, and afterwards as it was."""
    before = str(trust.kit())
    kit = EnvText(before)
    assert kit.put(name, value)
    write_kit(trust.kit_path, kit)
    try:
        yield
    finally:
        write_kit(trust.kit_path, EnvText(before))


@contextmanager
def stopped(trust: TrustHost, service: str) -> Iterator[None]:
    """A stack without one of its services; afterwards the operator's own command brings it back."""
    trust.engine.docker("stop", trust.containers()[service]["Id"])
    try:
        yield
    finally:
        trust.make("up-local-trust")


def test_a_healthy_trust_is_well_in_every_line(trust: TrustHost, examined: Callable[[], Account]) -> None:
    account = until(lambda: (seen := examined()).exit_code == 0 and seen, "a trust that is well", 60)
    assert account.wrong == set()
    assert account.of("skipped") == NOT_USED
    assert account.of("ok") >= ASKED_OF_THE_AGENT
    assert account.lines["host kit"]["seen"] == "complete and valid"
    assert "data_analyst_reader may read" in account.lines["data-access omop-role"]["seen"]
    assert "postgres of 20" in account.lines["host volumes"]["seen"]
    services = account.lines["host containers"]["seen"]
    assert all(name in services for name in trust.containers()), services


def test_the_account_for_people_has_a_heading_for_each_part(trust: TrustHost) -> None:
    said = trust.make("doctor-local-trust", folder=".")
    headings = [line for line in said.splitlines() if line and line[0] not in "✔✘–"]
    assert headings == ["This machine", "trust-api", "data-access-api"]


def test_a_published_port_is_the_one_line_that_is_wrong(
    trust: TrustHost, examined: Callable[[], Account]
) -> None:
    labels = {"project": trust.stack, "service": "debug", "oneoff": "False"}
    named = [f"--label=com.docker.compose.{name}={value}" for name, value in labels.items()]
    options = ("--restart=always", "--no-healthcheck", "--publish=0.0.0.0::8000", "--network=bridge")
    one = trust.engine.docker("run", "-d", *options, *named, NODE, "sleep", "600").strip()
    try:
        account = examined()
    finally:
        trust.engine.docker("rm", "-f", one)
    assert (account.exit_code, account.wrong) == (1, {"host published"})
    assert "debug 8000/tcp at 0.0.0.0:" in account.lines["host published"]["seen"]


def test_an_agent_that_has_stopped_is_looked_at_all_the_same(
    trust: TrustHost, examined: Callable[[], Account]
) -> None:
    with stopped(trust, "trust-api"):
        account = examined()
        left = trust.engine.docker("ps", "--all", "--filter", "label=com.docker.compose.oneoff=True", "-q")
    assert (account.exit_code, account.wrong) == (1, {"host containers"})
    assert "trust-api does not run" in account.lines["host containers"]["seen"]
    assert account.of("ok") >= ASKED_OF_THE_AGENT
    assert left == ""


def test_a_service_that_others_need_is_told_where_it_is_missed(
    trust: TrustHost, examined: Callable[[], Account]
) -> None:
    with stopped(trust, "data-access-api"):
        account = examined()
    assert (account.exit_code, account.wrong) == (1, {"host containers", "agent dns", "agent data-access"})


def test_a_key_that_the_hub_does_not_know(outside: Outside, examined: Callable[[], Account]) -> None:
    with closing(sqlite3.connect(outside.folder / "hub" / "hub.sqlite3", autocommit=True)) as hub:
        (before,) = hub.execute("SELECT api_key_hash FROM trusts WHERE id = ?", (TRUST_ID,)).fetchone()
        change = "UPDATE trusts SET api_key_hash = ? WHERE id = ?"
        hub.execute(change, ("of another key", TRUST_ID))
        try:
            account = examined()
        finally:
            hub.execute(change, (before, TRUST_ID))
    assert (account.exit_code, account.wrong) == (1, {"agent api-key"})
    assert "TRUST_API_KEY_HASHES" in account.lines["agent api-key"]["do"]


def test_a_kit_that_others_may_read(trust: TrustHost, examined: Callable[[], Account]) -> None:
    trust.kit_path.chmod(0o644)
    try:
        account = examined()
    finally:
        trust.kit_path.chmod(0o600)
    assert (account.exit_code, account.wrong) == (1, {"host kit"})
    assert account.lines["host kit"]["do"] == f"chmod 600 {trust.kit_path}"


def test_a_kit_that_was_made_anew_beside_old_data(trust: TrustHost, examined: Callable[[], Account]) -> None:
    with stopped(trust, "trust-api"), changed_kit(trust, "POSTGRES__PASSWORD", "another-than-at-first"):
        account = examined()
    assert account.wrong == {"host containers", "agent database", "host volumes"}
    assert "knows another POSTGRES__PASSWORD" in account.lines["host volumes"]["seen"]


def test_a_trust_that_is_down_is_told_how_to_be_started(
    trust: TrustHost, outside: Outside, examined: Callable[[], Account]
) -> None:
    outside.leave()
    trust.make("down-local-trust")
    try:
        account = examined()
        text = trust.make("doctor-local-trust", check=False)
    finally:
        trust.make("up-local-trust")
        outside.come_back()
    assert (account.exit_code, account.wrong) == (1, {"host containers"})
    assert account.lines["host containers"]["do"] == "start it: `make up-local-trust`"
    assert "– all checks" in text
    assert "trust-api does not run, so it cannot be asked" in text
