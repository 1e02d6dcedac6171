"""A second trust on the same machine, and what is refused when both want the same."""

from __future__ import annotations

import pytest

from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost


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
        # Neither reaches the other: their internal networks are different ones.
        address = trust.containers()["postgres"]["NetworkSettings"]["Networks"][f"{trust.stack}_internal"][
            "IPAddress"
        ]
        knock = f'timeout 5 bash -c "exec 3<>/dev/tcp/{address}/5432" && echo reached || echo unreachable'
        assert "unreachable" in second.inside("trust-api", "bash", "-c", knock, check=False)
    finally:
        second.make("down-local-trust", check=False)


def test_a_taken_name_is_refused(trust: TrustHost, outside: Outside) -> None:
    said = trust.make("up-local-trust", "STACK=trust-b", "TRUST_API_CONTAINER=trust-api", check=False)
    assert "The container name trust-api is taken by trust-local" in said
