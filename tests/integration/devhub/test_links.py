"""Analysis bucket files: linked by the node at 0.8.21, by the hub itself later."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.integration.devhub.running import CLIENT, PASSWORD_GRANT, ROBOT, USER, RunningHub


def linked(hub: RunningHub, analysis_id: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until the analysis has ``count`` links."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if len(links := hub.links_of(analysis_id)) >= count:
            return links
        time.sleep(0.02)
    raise AssertionError("no link appeared")


def old_link(made: dict[str, Any], kind: str, file: dict[str, Any]) -> dict[str, Any]:
    """The payload of flame-hub-client 0.2.7."""
    return {
        "name": file["path"],
        "external_id": file["id"],
        "bucket_id": made["analysis_buckets"][kind],
        "root": False,
    }


def new_link(made: dict[str, Any], kind: str, file: dict[str, Any]) -> dict[str, Any]:
    """The payload of flame-hub-client 0.2.16."""
    return {
        "path": file["path"],
        "bucket_file_id": file["id"],
        "bucket_id": made["buckets"][kind],
        "analysis_bucket_id": made["analysis_buckets"][kind],
        "root": False,
    }


def test_0_8_21_does_not_link_by_itself_and_takes_the_nodes_link(hub_0_8_21: RunningHub) -> None:
    hub = hub_0_8_21
    made = hub.new_analysis()
    headers = hub.log_in()
    file = hub.upload(made["buckets"]["RESULT"], "r.bin", b"x", headers).json()["data"][0]
    time.sleep(0.2)
    assert hub.links_of(made["analysis_id"]) == []
    assert [row["linked"] for row in hub.uploads_of(made["analysis_id"])] == [False]
    answer = hub.http.post(
        "/core/analysis-bucket-files", json=old_link(made, "RESULT", file), headers=headers
    )
    assert answer.status_code == 201
    link = answer.json()
    assert (link["name"], link["external_id"]) == ("r.bin", file["id"])
    assert (link["bucket_id"], link["analysis_id"]) == (
        made["analysis_buckets"]["RESULT"],
        made["analysis_id"],
    )
    assert (link["robot_id"], link["user_id"]) == (ROBOT["id"], None)
    assert [row["linked"] for row in hub.uploads_of(made["analysis_id"])] == [True]


def test_0_8_21_links_twice_when_asked_twice(hub_0_8_21: RunningHub) -> None:
    hub = hub_0_8_21
    made = hub.new_analysis()
    headers = hub.log_in()
    file = hub.upload(made["buckets"]["RESULT"], "r.bin", b"x", headers).json()["data"][0]
    for _ in range(2):
        hub.http.post("/core/analysis-bucket-files", json=old_link(made, "RESULT", file), headers=headers)
    assert [row["bucket_file_id"] for row in hub.links_of(made["analysis_id"])] == [file["id"]] * 2


def test_0_8_21_refuses_links_to_unknown_buckets_and_to_the_code_of_a_locked_analysis(
    hub_0_8_21: RunningHub,
) -> None:
    hub = hub_0_8_21
    made = hub.new_analysis()
    headers = hub.log_in(PASSWORD_GRANT)
    file = {"path": "x", "id": str(uuid.uuid4())}
    unknown = {**old_link(made, "CODE", file), "bucket_id": str(uuid.uuid4())}
    assert hub.http.post("/core/analysis-bucket-files", json=unknown, headers=headers).status_code == 400
    lock = {"command": "configurationLock"}
    hub.http.post(f"/core/analyses/{made['analysis_id']}/command", json=lock, headers=headers)
    for kind, status in (("CODE", 400), ("RESULT", 201)):
        link = old_link(made, kind, file)
        assert hub.http.post("/core/analysis-bucket-files", json=link, headers=headers).status_code == status


def test_later_hubs_link_by_themselves_a_moment_after_the_upload(
    hub_0_8_30: RunningHub, hub_0_13: RunningHub
) -> None:
    for hub in (hub_0_8_30, hub_0_13):
        made = hub.new_analysis()
        file = hub.upload(made["buckets"]["RESULT"], "r.bin", b"x").json()["data"][0]
        (link,) = linked(hub, made["analysis_id"])
        assert (link["bucket_file_id"], link["kind"]) == (file["id"], "RESULT")
        (upload,) = hub.uploads_of(made["analysis_id"])
        waited = datetime.fromisoformat(link["created_at"]) - datetime.fromisoformat(upload["created_at"])
        assert waited.total_seconds() > 0.03


def test_a_link_posted_to_a_later_hub_conflicts(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    headers = hub.log_in()
    file = hub.upload(made["buckets"]["RESULT"], "r.bin", b"x", headers).json()["data"][0]
    linked(hub, made["analysis_id"])
    answer = hub.http.post(
        "/core/analysis-bucket-files", json=new_link(made, "RESULT", file), headers=headers
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "entity_conflict")
    assert len(hub.links_of(made["analysis_id"])) == 1


def test_a_path_linked_in_one_bucket_is_not_linked_again_in_another(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    for kind in ("RESULT", "TEMP"):
        assert hub.upload(made["buckets"][kind], "same", b"x").status_code == 201
        linked(hub, made["analysis_id"])
    time.sleep(0.2)
    assert [row["kind"] for row in hub.links_of(made["analysis_id"])] == ["RESULT"]
    assert [row["linked"] for row in hub.uploads_of(made["analysis_id"])] == [True, False]


def test_a_path_too_long_for_the_link_stays_unlinked(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    assert hub.upload(made["buckets"]["TEMP"], "d/" + "n" * 256, b"x").status_code == 201
    hub.upload(made["buckets"]["TEMP"], "short", b"x")
    assert [row["path"] for row in linked(hub, made["analysis_id"])] == ["short"]


def test_files_in_a_users_own_bucket_are_linked_to_nothing(hub_0_13: RunningHub) -> None:
    hub = hub_0_13
    headers = hub.log_in()
    made = hub.http.post("/storage/buckets", json={"name": f"own-{uuid.uuid4()}"}, headers=headers)
    assert made.status_code == 201
    bucket = made.json()["data"]
    assert bucket["actorId"] == CLIENT["id"]
    hub.upload(bucket["id"], "x", b"x", headers)
    time.sleep(0.2)
    (row,) = (row for row in hub.http.get("/admin/uploads").json() if row["bucket"] == bucket["id"])
    assert (row["analysis_id"], row["kind"], row["linked"]) == (None, None, False)


def test_links_of_an_analysis_are_listed_newest_first_with_their_bucket(hub: RunningHub) -> None:
    made = hub.new_analysis()
    headers = hub.log_in(PASSWORD_GRANT)
    for count, name in enumerate(("first", "second"), start=1):
        file = hub.upload(made["buckets"]["RESULT"], name, b"x", headers).json()["data"][0]
        if hub.profile == "0.8.21":
            hub.http.post("/core/analysis-bucket-files", json=old_link(made, "RESULT", file), headers=headers)
        linked(hub, made["analysis_id"], count)
    camel = hub.profile == "0.13"
    query = {
        f"filter[{'analysisId' if camel else 'analysis_id'}]": made["analysis_id"],
        "filter[type]": "RESULT",
    }
    query["sort"] = "-createdAt" if camel else "-created_at"
    relation = {"0.8.21": "bucket", "0.8.30": "analysis_bucket", "0.13": "analysisBucket"}[hub.profile]
    query["include"] = f"analysis,{relation}"
    found = hub.http.get("/core/analysis-bucket-files", params=query, headers=headers).json()["data"]
    assert [link["name" if hub.profile == "0.8.21" else "path"] for link in found] == ["second", "first"]
    assert {link[relation]["type"] for link in found} == {"RESULT"}
    assert {link["userId" if camel else "user_id"] is not None for link in found} == {True}
    key = f"filter[{relation}.type]"
    for kind, count in (("RESULT", 2), ("CODE", 0)):
        answer = hub.http.get("/core/analysis-bucket-files", params={**query, key: kind}, headers=headers)
        assert answer.json()["meta"]["total"] == count


def test_deleting_a_file_deletes_its_link(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    headers = hub.log_in()
    file = hub.upload(made["buckets"]["TEMP"], "t", b"x", headers).json()["data"][0]
    linked(hub, made["analysis_id"])
    assert hub.http.delete(f"/storage/bucket-files/{file['id']}", headers=headers).status_code == 202
    assert hub.links_of(made["analysis_id"]) == []


def test_a_hub_killed_before_it_linked_links_after_its_restart(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.8.30")
    made = hub.new_analysis()
    headers = hub.log_in()
    for number in range(5):
        assert hub.upload(made["buckets"]["RESULT"], f"{number}", b"x", headers).status_code == 201
    hub.stop(signal.SIGKILL)
    hub.start()
    links = linked(hub, made["analysis_id"], 5)
    assert sorted(link["path"] for link in links) == ["0", "1", "2", "3", "4"]


def test_uploads_of_a_user_are_linked_as_theirs(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    headers = hub.log_in(PASSWORD_GRANT)
    users = hub.http.get("/auth/users", params={"filter[name]": USER["username"]}, headers=headers).json()[
        "data"
    ]
    hub.upload(made["buckets"]["CODE"], "code.py", b"x", headers)
    (row,) = linked(hub, made["analysis_id"])
    link = hub.http.get(f"/core/analysis-bucket-files/{row['id']}", headers=headers).json()
    assert (link["user_id"], link["client_id"]) == (users[0]["id"], None)
