"""Nothing secret is in the doctor's words, whatever is wrong: every secret setting has a value that is looked for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from flame_node_agent.config.catalogue import READERS
from flame_node_agent.config.introspection import variables
from flame_node_agent.doctor.examination import examine
from flame_node_agent.doctor.findings import Finding
from flame_node_agent.doctor.ground import Ground, Service
from tests.conftest import DataAccessEnvironmentFactory
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_wrong
from tests.unit.hub.servers import Peer, serving
from tests.unit.settings_samples import private_pem

MARK = "canary4711"
AES = base64.b64encode(f"{MARK} is thirty-two bytes".ljust(32).encode()).decode()
OTHER_AES = base64.b64encode(f"{MARK} is as long".ljust(32).encode()).decode()
CANARIES = {
    "POSTGRES__PASSWORD": f"postgres-{MARK}",
    "PROXY__HTTP_URL": f"http://clinic:proxy-{MARK}@127.0.0.1:9",
    "PROXY__HTTPS_URL": f"http://clinic:proxies-{MARK}@127.0.0.1:9",
    "HUB__AUTH__PASSWORD": f"user-{MARK}",
    "HUB__AUTH__SECRET": f"client-{MARK}",
    "MINIO__SECRET_KEY": f"store-{MARK}",
    "CRYPTO__ECDH_PRIVATE_KEY": private_pem(),
    "AES_KEY_BASE64": AES,
    "TRUST_AES_KEY_BASE64": OTHER_AES,
    "TRUST_INTERNAL_SERVICE_KEY": f"internal-{MARK}",
    "TRUST_API_KEY": f"trust-{MARK}",
    "DATA_ACCESS_POSTGRES_PASSWORD": f"reader-{MARK}",
}
TELLING = (MARK, AES, OTHER_AES, private_pem().splitlines()[1])
AWAY = "http://127.0.0.1:9"


def of(*readers: str) -> dict[str, str]:
    """The secrets that these services read."""
    names = {each.name for reader in readers for each in variables(READERS[reader]) if each.secret}
    return {name: CANARIES[name] for name in names}


def assert_silent(findings: dict[str, Finding]) -> None:
    words = json.dumps([[each.seen, each.do] for each in findings.values()], ensure_ascii=False)
    assert [secret for secret in TELLING if secret in words] == []


def test_every_secret_of_every_service_has_a_canary() -> None:
    assert {each.name for root in READERS.values() for each in variables(root) if each.secret} == set(
        CANARIES
    )


@pytest.mark.parametrize("flow", ["client", "robot", "password"])
async def test_an_agent_all_of_whose_secrets_are_refused(examined: Examined, flow: str) -> None:
    given = of("agent (results)", "agent (tasks)") | {"HUB__AUTH__FLOW": flow, "TRUST_AES_KID": "ours"}
    if flow == "password":
        given["HUB__AUTH__USERNAME"] = "clinic"
    for proxies in (("PROXY__HTTP_URL", "PROXY__HTTPS_URL"), ()):
        kept = {
            name: value for name, value in given.items() if name in proxies or not name.startswith("PROXY")
        }
        findings = await examined(sides="both", **kept)
        assert {"flame-hub", "database", "object-store"} <= {name for name in findings if findings[name].do}
        assert_silent(findings)


async def test_settings_whose_secrets_are_no_keys_at_all(examined: Examined) -> None:
    wrong = {
        "AES_KEY_BASE64": MARK,
        "CRYPTO__ECDH_PRIVATE_KEY": MARK,
        "PROXY__HTTP_URL": f"socks5://x:{MARK}@y",
    }
    findings = await examined(sides="both", **wrong)
    assert_wrong(findings["settings"], "AES_KEY_BASE64", "config check")
    assert_silent(findings)


async def test_a_data_access_api_all_of_whose_secrets_are_refused(
    data_access_env: DataAccessEnvironmentFactory,
) -> None:
    environment = data_access_env(**of("data-access"), TRUST_AES_KID="ours")
    findings = await examine(Ground.load(Service.DATA_ACCESS, env=environment, env_file=None))
    for name in ("database", "omop-role"):
        assert_wrong(
            findings[name], "authentication failed", "password" if name == "omop-role" else "PASSWORD"
        )
    assert_silent(findings)


async def test_a_server_that_repeats_what_it_was_sent(examined: Examined) -> None:
    async def parrot(peer: Peer) -> None:
        while True:
            line, headers = await peer.head()
            await peer.body(headers)
            said: dict[str, Any] = {"detail": f"I was sent {line} {headers}"}
            await peer.answer(401, json.dumps(said).encode())

    async with serving(parrot) as server:
        findings = await examined(
            CENTRAL_HUB_API_URL=server.url,
            data_access_url=server.url,
            **of("agent (tasks)")
            | {
                "PROXY__HTTP_URL": "",
                "PROXY__HTTPS_URL": "",
                "TRUST_AES_KID": "ours",
            },
        )
    assert "I was sent" in findings["api-key"].seen
    assert_silent(findings)


async def test_a_server_that_is_away(examined: Examined) -> None:
    given = of("agent (tasks)") | {"TRUST_AES_KID": "ours"}
    assert_silent(await examined(**given | {"CENTRAL_HUB_API_URL": AWAY, "DATA_ACCESS_API_URL": AWAY}))
