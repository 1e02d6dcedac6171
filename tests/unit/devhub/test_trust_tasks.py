"""Tasks at the development hub: handed out once, answered once, handed out again when stale."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest

from flame_node_agent.crypto.envelope import Keyring
from flame_node_agent.errors import EnvelopeRejected, InvalidEnvelope
from tests.unit.devhub.conftest import OpenHub
from tests.unit.devhub.trust import AES_KEY, COHORT, TRUST_ID, TRUST_NAME, TrustCalls

IDENTITY = {"trust_id": TRUST_ID, "trust_name": TRUST_NAME}
KEYRING = Keyring(AES_KEY)


async def test_task_is_handed_out_sealed_for_its_type(calls: TrustCalls) -> None:
    task_id = await calls.order("update_user_profile", email="a@b.c", enabled=True)
    answer = (await calls.get("/api/tasks/pending")).json()
    (task,) = answer.pop("tasks")
    assert answer == IDENTITY
    assert task.keys() == {"id", "task_type", "payload", "created_at"}
    assert (task["id"], task["task_type"]) == (task_id, "update_user_profile")
    opened = KEYRING.decrypt(task["payload"], "task:update_user_profile")
    assert json.loads(opened) == {"email": "a@b.c", "enabled": True}
    with pytest.raises(EnvelopeRejected):
        KEYRING.decrypt(task["payload"], "task:cohort_query")


async def test_cohort_query_gets_trust_and_sealed_project(calls: TrustCalls) -> None:
    await calls.order("cohort_query", **COHORT)
    (task,) = await calls.poll()
    payload = json.loads(KEYRING.decrypt(task["payload"], "task:cohort_query"))
    assert payload.keys() == {"encrypted_project_id", "query_id", "query_name", "query", "trust_id"}
    assert payload["trust_id"] == TRUST_ID
    assert KEYRING.decrypt(payload["encrypted_project_id"], "project_id") == COHORT["project_id"]


async def test_persist_cohort_keeps_the_project_beside_its_envelope(calls: TrustCalls) -> None:
    await calls.order("persist_cohort", **COHORT)
    (task,) = await calls.poll()
    payload = json.loads(KEYRING.decrypt(task["payload"], "task:persist_cohort"))
    assert payload["project_id"] == COHORT["project_id"]
    assert KEYRING.decrypt(payload["encrypted_project_id"], "project_id") == COHORT["project_id"]


async def test_payload_is_sealed_when_it_is_handed_out(calls: TrustCalls) -> None:
    await calls.order("delete_imaging", imaging_project_id=TRUST_ID)
    kept = await calls.hub.database.read(
        lambda connection: connection.execute("SELECT payload FROM trust_tasks").fetchone()[0]
    )
    assert json.loads(kept) == {"imaging_project_id": TRUST_ID}


async def test_hub_from_before_envelopes_seals_in_cbc(open_hub: OpenHub) -> None:
    calls = await open_hub(legacy_cbc=True)
    await calls.order("cohort_query", **COHORT)
    (task,) = await calls.poll()
    with pytest.raises(InvalidEnvelope):
        KEYRING.decrypt(task["payload"], "task:cohort_query")
    old = Keyring(AES_KEY, accept_legacy_cbc=True)
    payload = json.loads(old.decrypt(task["payload"], "task:cohort_query"))
    assert old.decrypt(payload["encrypted_project_id"], "project_id") == COHORT["project_id"]


async def test_fifty_oldest_come_first_and_none_twice(calls: TrustCalls) -> None:
    ordered = [await calls.order(number=number) for number in range(70)]
    batches = [await calls.poll() for _ in range(3)]
    assert [[task["id"] for task in batch] for batch in batches] == [ordered[:50], ordered[50:], []]


async def test_polls_at_the_same_time_share_what_waits(calls: TrustCalls) -> None:
    ordered = {await calls.order() for _ in range(60)}
    batches = await asyncio.gather(*(calls.poll() for _ in range(4)))
    handed = [task["id"] for batch in batches for task in batch]
    assert len(handed) == len(set(handed))
    assert set(handed) == ordered


async def test_task_of_another_trust_is_not_handed_out(calls: TrustCalls) -> None:
    other = await calls.another_trust()
    await calls.order()
    assert await other.poll() == []
    assert len(await calls.poll()) == 1


@pytest.mark.parametrize(("success", "status"), [(True, "COMPLETED"), (False, "FAILED")])
async def test_result_ends_a_task(calls: TrustCalls, success: bool, status: str) -> None:
    task_id = await calls.order()
    assert (await calls.task(task_id))["status"] == "PENDING"
    await calls.poll()
    assert (await calls.task(task_id))["status"] == "IN_PROGRESS"
    answer = await calls.report(task_id, success=success, result='{"a": 1}')
    assert answer.json() == {**IDENTITY, "message": f"Task {task_id} result recorded"}
    task = await calls.task(task_id)
    assert (task["status"], task["result"], task["retry_count"]) == (status, '{"a": 1}', 0)
    assert task["updated_at"] > task["created_at"]


async def test_result_of_an_unknown_task_is_a_404(calls: TrustCalls) -> None:
    answer = await calls.report(str(uuid.uuid4()))
    assert answer.status_code == 404
    assert "not found" in answer.json()["detail"]


async def test_result_of_another_trusts_task_is_a_403(calls: TrustCalls) -> None:
    task_id = await calls.order()
    await calls.poll()
    assert (await (await calls.another_trust()).report(task_id)).status_code == 403
    assert (await calls.task(task_id))["status"] == "IN_PROGRESS"


async def test_second_result_is_a_409_and_changes_nothing(calls: TrustCalls) -> None:
    task_id = await calls.order()
    detail = f"Task {task_id} is not in progress (current status: "
    early = await calls.report(task_id)
    assert (early.status_code, early.json()["detail"]) == (409, f"{detail}PENDING)")
    await calls.poll()
    await calls.report(task_id, result="first")
    late = await calls.report(task_id, success=False, result="second")
    assert (late.status_code, late.json()["detail"]) == (409, f"{detail}COMPLETED)")
    assert (await calls.task(task_id))["result"] == "first"


@pytest.mark.parametrize(
    "body",
    [None, {}, {"success": "perhaps"}, {"success": True, "result": {"a": 1}}, {"success": True, "result": 1}],
)
async def test_result_that_does_not_fit_is_a_422(calls: TrustCalls, body: Any) -> None:
    answer = await calls.post(f"/api/tasks/{uuid.uuid4()}/result", body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"]


async def test_result_may_have_ten_million_characters_and_no_more(calls: TrustCalls) -> None:
    task_id = await calls.order()
    await calls.poll()
    assert (await calls.report(task_id, result="x" * 10_000_001)).status_code == 422
    assert (await calls.report(task_id, result="x" * 10_000_000)).status_code == 200


async def test_task_that_is_no_uuid_is_a_422(calls: TrustCalls) -> None:
    assert (await calls.report("no-uuid")).status_code == 422


async def test_stale_task_is_handed_out_again_and_given_up_in_the_end(open_hub: OpenHub) -> None:
    calls = await open_hub(stale_seconds=0, stale_scan_seconds=0.01, max_retries=2)
    task_id = await calls.order()
    seen = 0
    async with asyncio.timeout(30):
        while (task := await calls.task(task_id))["status"] != "FAILED":
            seen += len(await calls.poll())
            await asyncio.sleep(0)
    assert seen == 3
    assert task["retry_count"] == 2
    assert json.loads(task["result"]) == {"error": "Exceeded maximum retries (2)"}


async def test_task_is_not_stale_before_its_time(open_hub: OpenHub) -> None:
    calls = await open_hub(stale_scan_seconds=0.01)
    task_id = await calls.order()
    await calls.poll()
    await asyncio.sleep(0.1)  # some looks of the recovery
    assert (await calls.task(task_id))["status"] == "IN_PROGRESS"


async def test_tasks_survive_a_restart(open_hub: OpenHub) -> None:
    calls = await open_hub()
    first, second = await calls.order(number=1), await calls.order(number=2)
    await calls.poll()
    await calls.report(first, result="done")
    calls = await open_hub()
    assert (await calls.task(first))["result"] == "done"
    assert (await calls.report(second)).status_code == 200


async def test_admin_lists_the_newest_first_and_as_many_as_asked(calls: TrustCalls) -> None:
    ordered = [await calls.order(number=number) for number in range(5)]
    listed = (await calls.get("/admin/tasks?limit=3")).json()
    assert [task["id"] for task in listed] == ordered[:1:-1]
    assert listed[0].keys() >= {
        "id",
        "task_type",
        "status",
        "result",
        "retry_count",
        "created_at",
        "updated_at",
    }


async def test_task_may_be_for_another_trust_but_not_for_an_unknown_one(calls: TrustCalls) -> None:
    other = await calls.another_trust()
    order = {"task_type": "delete_imaging", "payload": {}, "trust_id": other.trust_id}
    task_id = (await calls.post("/admin/tasks", order)).json()["id"]
    assert [task["id"] for task in await other.poll()] == [task_id]
    assert (await calls.post("/admin/tasks", {**order, "trust_id": str(uuid.uuid4())})).status_code == 404
