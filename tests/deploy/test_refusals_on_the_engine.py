"""What keeps a trust from starting, as the real engine and real databases tell it. The rest is in tests/unit/deploy."""

from __future__ import annotations

import time

import pytest

from flame_node_agent.kit import making
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import write_kit
from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost

MUCH_SOONER_THAN_THE_WAIT = 150.0
"""The wait for health is 300 seconds."""


@pytest.mark.parametrize(
    ("variable", "volume"), [("POSTGRES__PASSWORD", "postgres"), ("DATA_ACCESS_POSTGRES_PASSWORD", "omop")]
)
def test_a_new_kit_over_old_volumes_is_told_at_once_and_harms_nothing(
    trust: TrustHost, outside: Outside, variable: str, volume: str
) -> None:
    kit = trust.kit_path.read_text()
    head = trust.inside("trust-api", "flame-node", "ledger", "verify").split()[-1]
    changed = EnvText(kit)
    changed.put(variable, making.password())
    write_kit(trust.kit_path, changed)
    began = time.monotonic()
    try:
        said = trust.make("up-local-trust", check=False)
    finally:
        write_kit(trust.kit_path, EnvText(kit))
    assert time.monotonic() - began < MUCH_SOONER_THAN_THE_WAIT
    assert f"volume {trust.stack}_{volume} has another password than {variable}" in said
    assert f"put {variable} of the earlier kit back" in said
    assert f"docker volume rm {trust.stack}_{volume}" in said
    trust.make("up-local-trust")
    trust.inside("trust-api", "flame-node", "ledger", "verify", "--expect-head", head)


def test_addresses_that_are_taken_are_told(
    trust: TrustHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    second = TrustHost(trust.engine, tmp_path_factory.mktemp("second"), "trust-c")
    second.unpack()
    second.make_kit()
    network = f"{trust.stack}_internal"
    taken = trust.engine.docker(
        "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", network
    ).strip()
    try:
        subnets = (f"INTERNAL_SUBNET={taken}", "EGRESS_SUBNET=10.9.2.0/24")
        said = second.make("up-local-trust", *subnets, check=False)
        assert "Docker has no free addresses for the trust's networks." in said
        assert "INTERNAL_SUBNET=10.213.1.0/24 EGRESS_SUBNET=10.213.2.0/24 make up-local-trust" in said
    finally:
        second.make("down-local-trust", check=False)
