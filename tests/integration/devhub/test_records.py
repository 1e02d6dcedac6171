"""Core records: names, envelopes and status codes of each release, lists and their queries, cascades."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.devhub.running import (
    ANALYSIS,
    NODE_WITH_KEY,
    NODE_WITHOUT_KEY,
    PASSWORD_GRANT,
    PEM,
    PROJECT,
    RunningHub,
)


def record(answer: Any) -> dict[str, Any]:
    """The record in an answer, out of its envelope if it has one."""
    body = answer.json()
    return dict(body["data"]) if {"data", "meta"} <= body.keys() else dict(body)


def named(hub: RunningHub, snake: str) -> str:
    head, *rest = snake.split("_")
    return head + "".join(word.capitalize() for word in rest) if hub.profile == "0.13" else snake


def test_single_records_are_bare_until_0_13(hub: RunningHub) -> None:
    body = hub.http.get(f"/core/projects/{PROJECT}", headers=hub.log_in()).json()
    if hub.profile == "0.13":
        assert body.keys() == {"data", "meta"}
        assert body["meta"]["schema"]["name"] == "project"
        assert "filters" not in body["meta"]["schema"]
    else:
        assert body["id"] == PROJECT


def test_lists_have_total_limit_offset_and_from_0_13_a_schema(hub: RunningHub) -> None:
    meta = hub.http.get("/core/nodes", headers=hub.log_in()).json()["meta"]
    assert {"total", "limit", "offset"} <= meta.keys()
    assert ("schema" in meta) is (hub.profile == "0.13")


def test_analysis_bucket_names_its_storage_bucket_as_the_release_does(hub: RunningHub) -> None:
    found = hub.http.get("/core/analysis-buckets", headers=hub.log_in()).json()["data"][0]
    key = {"0.8.21": "external_id", "0.8.30": "bucket_id", "0.13": "bucketId"}[hub.profile]
    assert [name for name in ("external_id", "bucket_id", "bucketId") if name in found] == [key]


def test_every_analysis_has_three_buckets(hub: RunningHub) -> None:
    made = hub.new_analysis()
    query = {f"filter[{named(hub, 'analysis_id')}]": made["analysis_id"]}
    found = hub.http.get("/core/analysis-buckets", params=query, headers=hub.log_in()).json()["data"]
    assert {bucket["type"] for bucket in found} == {"CODE", "RESULT", "TEMP"}


def test_bucket_is_found_by_analysis_and_type_with_the_analysis_nested(hub: RunningHub) -> None:
    query = {
        f"filter[{named(hub, 'analysis_id')}]": ANALYSIS,
        "filter[type]": "RESULT",
        "include": "analysis",
    }
    query |= {"page[limit]": "50", "page[offset]": "0"}
    (found,) = hub.http.get("/core/analysis-buckets", params=query, headers=hub.log_in()).json()["data"]
    assert (found["type"], found["analysis"]["id"]) == ("RESULT", ANALYSIS)


def test_a_filter_in_the_wrong_spelling_filters_nothing(hub: RunningHub) -> None:
    hub.new_analysis()
    wrong = "analysis_id" if hub.profile == "0.13" else "analysisId"
    query = {f"filter[{wrong}]": ANALYSIS}
    found = hub.http.get("/core/analysis-buckets", params=query, headers=hub.log_in()).json()
    assert found["meta"]["total"] >= 6


def test_a_field_outside_the_allow_list_filters_nothing(hub: RunningHub) -> None:
    made = hub.new_analysis()
    headers = hub.log_in()
    for name in ("one.bin", "two.bin"):
        hub.upload(made["buckets"]["TEMP"], name, b"x", headers)
    query = {f"filter[{named(hub, 'bucket_id')}]": made["buckets"]["TEMP"], "filter[path]": "one.bin"}
    found = hub.http.get("/storage/bucket-files", params=query, headers=headers).json()["data"]
    assert {file["path"] for file in found} == {"one.bin", "two.bin"}


def test_pages_hold_at_most_50(hub: RunningHub) -> None:
    for _ in range(20):
        hub.new_analysis()
    headers = hub.log_in()
    seen: set[str] = set()
    for offset in (0, 50):
        query = {"page[limit]": "1000", "page[offset]": str(offset)}
        body = hub.http.get("/core/analysis-buckets", params=query, headers=headers).json()
        assert body["meta"]["limit"] == 50
        assert len(body["data"]) <= 50
        seen |= {bucket["id"] for bucket in body["data"]}
    assert len(seen) == min(100, body["meta"]["total"])


def test_operators_compare_negate_list_and_match_prefixes(hub: RunningHub) -> None:
    headers = hub.log_in()

    def names(**query: str) -> set[str]:
        found = hub.http.get(
            "/core/nodes", params={f"filter[{k}]": v for k, v in query.items()}, headers=headers
        )
        return {node["name"] for node in found.json()["data"]} & {"north", "south"}

    assert names(name="north") == {"north"}
    assert names(name="!north") == {"south"}
    assert names(name="~nor") == {"north"}
    assert names(name="~ort") == set()
    assert names(name="!~nor") == {"south"}
    assert names(name="north,south") == {"north", "south"}
    assert names(name=">=o") == {"south"}
    assert names(name="<o") == {"north"}
    assert names(id=NODE_WITH_KEY) == {"north"}
    assert names(hidden="true") == set()
    assert names(hidden="false") == {"north", "south"}


def test_null_and_numbers_are_read_as_the_hub_reads_them(hub: RunningHub) -> None:
    headers = hub.log_in()
    made = hub.new_analysis()
    for name in ("007", "7"):
        hub.upload(made["buckets"]["TEMP"], name, b"x", headers)
    query = {f"filter[{named(hub, 'bucket_id')}]": made["buckets"]["TEMP"], "filter[name]": "007"}
    found = hub.http.get("/storage/bucket-files", params=query, headers=headers).json()["data"]
    assert [file["name"] for file in found] == ["7"]


def test_sorting_newest_first(hub: RunningHub) -> None:
    made = [hub.new_analysis()["analysis_id"] for _ in range(3)]
    query = {"sort": f"-{named(hub, 'created_at')}", "page[limit]": "3"}
    found = hub.http.get("/core/analyses", params=query, headers=hub.log_in()).json()["data"]
    assert [analysis["id"] for analysis in found] == made[::-1]


def test_optional_fields_come_on_request(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    key = named(hub, "account_secret")
    made = record(
        hub.http.post("/core/registries", json={"name": "r", "host": "h", key: "s"}, headers=headers)
    )
    path = f"/core/registries/{made['id']}"
    assert key not in record(hub.http.get(path, headers=headers))
    assert record(hub.http.get(path, params={"fields": f"+{key}"}, headers=headers))[key] == "s"


@pytest.mark.parametrize(
    "route", ["nodes", "projects", "analyses", "analysis-buckets", "analysis-bucket-files"]
)
def test_unknown_ids_get_404_in_json_and_non_uuids_400(hub: RunningHub, route: str) -> None:
    headers = hub.log_in()
    missing = hub.http.get(f"/core/{route}/{uuid.uuid4()}", headers=headers)
    assert missing.status_code == missing.json()["statusCode"] == 404
    assert missing.json()["code"] == ("NOT_FOUND" if hub.profile == "0.8.21" else "entity_not_found")
    malformed = hub.http.get(f"/core/{route}/no-uuid", headers=headers)
    assert malformed.status_code == malformed.json()["statusCode"] == 400


def test_unknown_routes_get_404_in_json(hub: RunningHub) -> None:
    for path in ("/core/nothing", "/elsewhere", "/core/nodes/x/y/z"):
        answer = hub.http.get(path, headers=hub.log_in())
        assert answer.status_code == answer.json()["statusCode"] == 404


def test_public_key_in_pem_becomes_hex_on_create_and_update(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    key = named(hub, "public_key")
    seeded = record(hub.http.get(f"/core/nodes/{NODE_WITH_KEY}", headers=headers))
    assert bytes.fromhex(seeded[key]).decode() == PEM
    assert record(hub.http.get(f"/core/nodes/{NODE_WITHOUT_KEY}", headers=headers))[key] is None
    made = hub.http.post("/core/nodes", json={"name": f"n-{uuid.uuid4()}", key: PEM}, headers=headers)
    assert (made.status_code, record(made)[key]) == (201, PEM.encode().hex())
    path = f"/core/nodes/{record(made)['id']}"
    changed = hub.http.post(path, json={key: "ABCDEF"}, headers=headers)
    assert (changed.status_code, record(changed)[key]) == (202, "ABCDEF")
    cleared = hub.http.post(path, json={key: None}, headers=headers)
    assert record(cleared)[key] is None
    assert hub.http.delete(path, headers=headers).status_code == 202
    assert hub.http.get(path, headers=headers).status_code == 404


def test_mutations_are_enveloped_with_empty_meta_from_0_13(hub_0_13: RunningHub) -> None:
    headers = hub_0_13.log_in(PASSWORD_GRANT)
    made = hub_0_13.http.post("/core/projects", json={"name": f"p-{uuid.uuid4()}"}, headers=headers)
    assert made.json()["meta"] == {}
    path = f"/core/projects/{made.json()['data']['id']}"
    assert hub_0_13.http.post(path, json={"description": "d"}, headers=headers).json()["meta"] == {}
    assert hub_0_13.http.delete(path, headers=headers).json()["meta"] == {}


def test_missing_and_wrong_attributes_get_400_naming_them(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    key = named(hub, "project_id")
    for body in ({}, {key: "no-uuid"}, {key: None}):
        answer = hub.http.post("/core/analyses", json=body, headers=headers)
        assert answer.status_code == 400
        assert key in answer.json()["message"]
    unknown = hub.http.post("/core/analyses", json={key: str(uuid.uuid4())}, headers=headers)
    assert unknown.status_code == 400
    assert hub.http.post("/core/analyses", content=b"{", headers=headers).status_code == 400


def test_only_users_make_analyses(hub: RunningHub) -> None:
    body = {named(hub, "project_id"): PROJECT, "name": "mine"}
    assert hub.http.post("/core/analyses", json=body, headers=hub.log_in()).status_code == 403
    made = hub.http.post("/core/analyses", json=body, headers=hub.log_in(PASSWORD_GRANT))
    assert made.status_code == 201
    assert record(made)[named(hub, "user_id")] is not None


def test_a_repeated_name_conflicts(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    answer = hub.http.post("/core/projects", json={"name": "cohort"}, headers=headers)
    assert answer.status_code == (500 if hub.profile == "0.8.21" else 409)


def test_projects_count_their_analyses_and_nodes(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    made = hub.new_analysis()
    hub.new_analysis(project_id=made["project_id"])
    pair = {named(hub, "project_id"): made["project_id"], named(hub, "node_id"): NODE_WITH_KEY}
    joined = hub.http.post("/core/project-nodes", json=pair, headers=headers)
    assert joined.status_code == 201
    project = record(hub.http.get(f"/core/projects/{made['project_id']}", headers=headers))
    assert (project["analyses"], project["nodes"]) == (2, 1)
    key = named(hub, "approval_status")
    path = f"/core/project-nodes/{record(joined)['id']}"
    assert record(hub.http.post(path, json={key: "rejected"}, headers=headers))[key] == "rejected"


def test_deleting_a_project_takes_its_analyses_buckets_files_and_links_along(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    made = hub.new_analysis()
    file = hub.upload(made["buckets"]["RESULT"], "r.bin", b"bytes", headers).json()["data"][0]
    assert hub.http.delete(f"/core/projects/{made['project_id']}", headers=headers).status_code == 202
    for path in (
        f"/core/projects/{made['project_id']}",
        f"/core/analyses/{made['analysis_id']}",
        f"/core/analysis-buckets/{made['analysis_buckets']['RESULT']}",
        f"/storage/buckets/{made['buckets']['RESULT']}",
        f"/storage/bucket-files/{file['id']}",
        f"/storage/bucket-files/{file['id']}/stream",
    ):
        assert hub.http.get(path, headers=headers).status_code == 404, path
    assert not (hub.state_dir / "files" / file["id"]).exists()
    assert hub.links_of(made["analysis_id"]) == []


def test_a_locked_analysis_says_so(hub: RunningHub) -> None:
    headers = hub.log_in(PASSWORD_GRANT)
    made = hub.new_analysis()
    path = f"/core/analyses/{made['analysis_id']}/command"
    locked = hub.http.post(path, json={"command": "configurationLock"}, headers=headers)
    assert (locked.status_code, record(locked)[named(hub, "configuration_locked")]) == (202, True)
    unlocked = hub.http.post(path, json={"command": "configurationUnlock"}, headers=headers)
    assert record(unlocked)[named(hub, "configuration_locked")] is False
    assert hub.http.post(path, json={"command": "fly"}, headers=headers).status_code == 400


def test_the_master_image_and_realm_that_tests_ask_for_are_there(hub: RunningHub) -> None:
    headers = hub.log_in()
    query = {f"filter[{named(hub, 'virtual_path')}]": "python/base"}
    images = hub.http.get("/core/master-images", params=query, headers=headers).json()["data"]
    assert [image[named(hub, "virtual_path")] for image in images] == ["python/base"]
    realms = hub.http.get("/auth/realms", params={"filter[name]": "master"}, headers=headers).json()["data"]
    assert [realm["name"] for realm in realms] == ["master"]


def test_an_upgrade_on_the_same_state_keeps_everything(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.8.21")
    made = hub.new_analysis()
    hub.upload(made["buckets"]["RESULT"], "before.bin", b"1")
    hub.stop()
    hub.start("0.13")
    query = {"filter[analysisId]": made["analysis_id"], "filter[type]": "RESULT"}
    (bucket,) = hub.http.get("/core/analysis-buckets", params=query, headers=hub.log_in()).json()["data"]
    assert bucket["bucketId"] == made["buckets"]["RESULT"]
    # What the old release left to the node to link is not linked by the new one.
    assert hub.upload(made["buckets"]["RESULT"], "after.bin", b"2").status_code == 201
    assert {row["path"] for row in hub.uploads_of(made["analysis_id"])} == {"before.bin", "after.bin"}
