"""The hub of tasks, as the doctor sees it: the real development hub, in both its eras and with faults."""

from __future__ import annotations

import base64
import time
from uuid import uuid4

from flame_node_agent.devstack.running_hub import RunningHub
from tests.conftest import HubFactory
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong
from tests.unit.hub.servers import Peer, hello, serving

OF_THE_HUB = ("hub", "clock", "api-key", "identity", "aes-key")


async def test_all_is_well_with_a_hub_that_knows_this_trust(examined: Examined, hub: RunningHub) -> None:
    findings = await examined()
    for name in OF_THE_HUB:
        assert_well(findings[name])
    assert hub.seed.trust.name in findings["identity"].seen
    assert "/api answers" in findings["hub"].seen


async def test_looking_takes_no_task_away(examined: Examined, dev_hub: HubFactory) -> None:
    hub = dev_hub(fresh=True)
    task = hub.order_task("get_imaging_status", project_id=str(uuid4()))
    assert_well((await examined(at=hub))["api-key"])
    assert hub.tasks()[task]["status"] == "PENDING"


async def test_a_hub_that_is_away_is_told_once_and_the_rest_is_unseen(examined: Examined) -> None:
    findings = await examined(CENTRAL_HUB_API_URL="http://127.0.0.1:9")
    assert_wrong(findings["hub"], "", "CENTRAL_HUB_API_URL")
    for name in ("clock", "api-key", "identity", "aes-key"):
        assert_unseen(findings[name], "has not answered")


async def test_a_key_that_the_hub_does_not_know(examined: Examined) -> None:
    findings = await examined(TRUST_API_KEY="nobodys-key-4711")
    assert_well(findings["hub"])
    assert_wrong(findings["api-key"], "Invalid API Key", "TRUST_API_KEY_HASHES")
    assert_unseen(findings["identity"], "has not accepted")
    assert_unseen(findings["aes-key"], "has not accepted")


async def test_a_key_in_a_header_that_the_hub_does_not_read(examined: Examined) -> None:
    findings = await examined(TRUST_API_KEY_HEADER="X-Other")
    assert_wrong(findings["api-key"], "missing", "TRUST_API_KEY_HEADER")


async def test_a_key_of_another_trust(examined: Examined) -> None:
    wanted = str(uuid4())
    findings = await examined(EXPECTED_TRUST_ID=wanted)
    assert_wrong(findings["identity"], wanted, "exit code 2")


async def test_an_aes_key_that_is_not_the_hubs(examined: Examined) -> None:
    key = base64.b64encode(bytes(range(32))).decode("ascii")
    findings = await examined(AES_KEY_BASE64=key)
    assert_wrong(findings["aes-key"], "630dcd2966c4", "AES_KEY_BASE64")
    assert key not in repr(findings)


async def test_a_web_page_in_place_of_the_api(examined: Examined, hub: RunningHub) -> None:
    hub.fault(match="/api/", status=200, html=True)
    findings = await examined()
    assert_wrong(findings["hub"], "web page", "CENTRAL_HUB_API_URL")
    assert_wrong(findings["api-key"], "web page", "CENTRAL_HUB_API_URL")


async def test_a_hub_that_has_no_time(examined: Examined, hub: RunningHub) -> None:
    hub.fault(match="/api/", status=503)
    findings = await examined()
    assert_wrong(findings["hub"], "503", "wait")
    assert_wrong(findings["api-key"], "503", "administrator")


async def test_a_hub_that_never_answers_holds_up_nobody_else(examined: Examined) -> None:
    async def silent(peer: Peer) -> None:
        await peer.closed()

    async with serving(silent) as server:
        findings = await examined(CENTRAL_HUB_API_URL=server.url, migrated=True, seconds=6)
    for name in OF_THE_HUB:
        assert_wrong(findings[name], "no answer within 6 s", "hangs")
    assert_well(findings["dns"])
    assert_well(findings["database"])


async def test_a_clock_that_is_wrong(examined: Examined) -> None:
    ahead = await examined(ground={"now": lambda: time.time() + 300})
    assert_wrong(ahead["clock"], "s ahead of the hub's", "time synchronisation")
    behind = await examined(ground={"now": lambda: time.time() - 300})
    assert_wrong(behind["clock"], "s behind the hub's", "time synchronisation")


async def test_a_hub_that_does_not_tell_the_time(examined: Examined) -> None:
    async with serving(hello) as server:
        findings = await examined(CENTRAL_HUB_API_URL=server.url)
    assert_unseen(findings["clock"], "does not tell the time")


async def test_an_older_hub_accepts_the_key_and_tells_no_more(
    examined: Examined, dev_hub: HubFactory
) -> None:
    old = dev_hub(task_options=("--task-routes", "named"))
    findings = await examined(at=old)
    assert_well(findings["api-key"])
    assert_unseen(findings["identity"], "does not say")
    assert_unseen(findings["aes-key"], "does not tell")
    nameless = await examined(at=old, without=("TRUST_NAME",))
    assert_wrong(nameless["api-key"], "404", "TRUST_NAME")
    misnamed = await examined(at=old, TRUST_NAME="Southgate")
    assert_wrong(misnamed["api-key"], "not authorised", "TRUST_NAME")


async def test_without_a_task_side_there_is_no_hub_of_tasks(examined: Examined) -> None:
    findings = await examined(sides="results")
    for name in ("hub", "api-key", "identity", "aes-key", "data-access"):
        assert_unseen(findings[name], "the task side is off")
    assert_well(findings["clock"])
