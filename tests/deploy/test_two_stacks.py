"""A second trust on the same machine, and what is refused when both want the same."""

from __future__ import annotations

import pytest

from tests.deploy.outside import Outside
from tests.deploy.trust_host import SERVICES, TrustHost

PORTS = {"trust-api": 8000, "data-access-api": 8000, "postgres": 5432, "minio": 9000, "omop-db": 5432}


def _knock(trust: TrustHost) -> str:
    """A command that tries the port of every service of a trust, at its address inside."""
    inside = f"{trust.stack}_internal"
    addresses = {
        name: each["NetworkSettings"]["Networks"][inside]["IPAddress"]
        for name, each in trust.containers().items()
    }
    tries = (
        f'(timeout 5 bash -c "exec 3<>/dev/tcp/{address}/{PORTS[name]}" 2>/dev/null || echo unreachable)'
        for name, address in addresses.items()
    )
    return " & ".join(tries) + " & wait"


def test_a_second_stack_stands_beside_the_first(
    trust: TrustHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    second = TrustHost(trust.engine, tmp_path_factory.mktemp("second"), "trust-b")
    second.unpack()
    second.make_kit()
    first = {name: each["Id"] for name, each in trust.containers().items()}
    try:
        second.make("up-local-trust")
        assert set(second.containers()) == set(first)
        assert {name: each["Id"] for name, each in trust.containers().items()} == first
        # No service of one reaches any of the other.
        for service in (*SERVICES, "bucket"):
            said = second.inside(service, "bash", "-c", _knock(trust), check=False)
            assert said.count("unreachable") == len(PORTS), f"{service}: {said}"
        assert trust.inside("postgres", "bash", "-c", _knock(trust), check=False).count("unreachable") == 0
    finally:
        second.make("down-local-trust", check=False)


def test_a_stack_that_another_folder_has_started_is_left_alone(
    trust: TrustHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = TrustHost(trust.engine, tmp_path_factory.mktemp("other"), trust.stack)
    other.unpack()
    other.make_kit()
    before = {name: each["Id"] for name, each in trust.containers().items()}
    said = other.make("up-local-trust", check=False)
    assert f"The stack {trust.stack} has been started from {trust.folder}/trust." in said
    assert {name: each["Id"] for name, each in trust.containers().items()} == before


def test_a_taken_name_is_refused(trust: TrustHost, outside: Outside) -> None:
    said = trust.make("up-local-trust", "STACK=trust-b", "TRUST_API_CONTAINER=trust-api", check=False)
    assert "The container name trust-api is taken by trust-local" in said
