"""The admin API: what it shows and makes, and that it answers to this machine only."""

from __future__ import annotations

import uuid

import httpx
import pytest

from flame_node_agent.devstack.hub.profile import PROFILES, Profile
from flame_node_agent.devstack.hub.refusals import error_body
from tests.integration.devhub.running import PROJECT, RunningHub


def test_uploads_tell_all_that_tests_need(hub: RunningHub) -> None:
    made = hub.new_analysis()
    file = hub.upload(made["buckets"]["RESULT"], "r.csv", b"abc").json()["data"][0]
    (row,) = hub.uploads_of(made["analysis_id"])
    assert row == row | {
        "id": file["id"],
        "bucket": made["buckets"]["RESULT"],
        "analysis_id": made["analysis_id"],
        "kind": "RESULT",
        "path": "r.csv",
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert isinstance(row["linked"], bool)


def test_analyses_are_made_in_new_known_and_named_projects(hub: RunningHub) -> None:
    headers = hub.log_in()
    alone = hub.new_analysis()
    joined = hub.new_analysis(project_id=PROJECT)
    wanted = {"project_id": str(uuid.uuid4()), "analysis_id": str(uuid.uuid4())}
    named = hub.new_analysis(**wanted)
    assert alone["project_id"] != PROJECT
    assert joined["project_id"] == PROJECT
    assert {key: named[key] for key in wanted} == wanted
    for made in (alone, joined, named):
        assert made["buckets"].keys() == made["analysis_buckets"].keys() == {"CODE", "RESULT", "TEMP"}
        assert hub.http.get(f"/core/analyses/{made['analysis_id']}", headers=headers).status_code == 200
        assert hub.http.get(f"/core/projects/{made['project_id']}", headers=headers).status_code == 200


def test_analyses_may_be_ordered_without_a_body(hub_0_13: RunningHub) -> None:
    assert hub_0_13.http.post("/admin/analyses").status_code == 201
    assert hub_0_13.http.post("/admin/analyses", json={"project_id": "no-uuid"}).status_code == 400


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_error_has_status_code_and_message(profile: Profile) -> None:
    for status in (400, 401, 404, 409, 418, 500, 503, 599):
        body = error_body(profile, status, "m", None, [])
        assert body["statusCode"] == status
        assert body["code"]
        assert body["message"] == "m"


def test_admin_needs_no_token(hub_0_13: RunningHub) -> None:
    assert httpx.get(f"{hub_0_13.base}/admin/links").status_code == 200
