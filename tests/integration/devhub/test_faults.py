"""Ordered disturbances: each way to fail, how often, and whom it meets."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.integration.devhub.running import RunningHub


def order(hub: RunningHub, **fault: Any) -> dict[str, Any]:
    answer = hub.http.post("/admin/faults", json=fault)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def lone(hub: RunningHub) -> httpx.Client:
    """A client with connections of its own, which a fault may break."""
    return httpx.Client(base_url=hub.base, timeout=10)


def test_a_status_is_answered_in_the_releases_error_shape(hub: RunningHub) -> None:
    order(hub, match="GET /core/nodes", status=503, count=1, headers={"Retry-After": "7"})
    headers = hub.log_in()
    answer = hub.http.get("/core/nodes", headers=headers)
    assert answer.status_code == answer.json()["statusCode"] == 503
    assert {"code", "message"} <= answer.json().keys()
    assert answer.headers["retry-after"] == "7"
    assert hub.http.get("/core/nodes", headers=headers).status_code == 200


def test_a_status_may_come_as_a_proxys_html_page(hub_0_13: RunningHub) -> None:
    order(hub_0_13, match="/core/nodes", status=404, html=True, count=1)
    answer = hub_0_13.http.get("/core/nodes")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")


def test_a_status_on_an_upload_stores_nothing_and_keeps_the_connection(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    headers = hub.log_in()
    order(hub, match=f"*{made['buckets']['TEMP']}/upload", status=502, count=2)
    for _ in range(2):
        assert hub.upload(made["buckets"]["TEMP"], "x", b"x" * 3_000_000, headers).status_code == 502
    assert hub.uploads_of(made["analysis_id"]) == []
    assert hub.upload(made["buckets"]["TEMP"], "x", b"x", headers).status_code == 201


def test_latency_delays_and_then_answers(hub_0_13: RunningHub) -> None:
    order(hub_0_13, match="POST /auth/token", latency=0.3, count=1)
    begun = time.monotonic()
    hub_0_13.log_in()
    assert time.monotonic() - begun >= 0.3
    hub_0_13.log_in()
    assert [(row["left"], row["hits"]) for row in hub_0_13.http.get("/admin/faults").json()] == [(0, 1)]


def test_latency_may_come_before_another_fault(hub_0_13: RunningHub) -> None:
    order(hub_0_13, match="POST /auth/token", latency=0.2, status=500, count=1)
    begun = time.monotonic()
    assert hub_0_13.http.post("/auth/token", json=hub_0_13.grant()).status_code == 500
    assert time.monotonic() - begun >= 0.2


def test_down_breaks_every_matching_connection_until_deleted(hub: RunningHub) -> None:
    order(hub, match="/core/", down=True)
    for _ in range(3):
        with lone(hub) as client, pytest.raises(httpx.TransportError):
            client.get("/core/nodes")
    assert hub.http.post("/auth/token", json=hub.grant()).status_code == 200
    assert hub.http.delete("/admin/faults").json() == []
    assert hub.http.get("/core/nodes", headers=hub.log_in()).status_code == 200


def test_the_admin_api_is_never_disturbed(hub_0_13: RunningHub) -> None:
    order(hub_0_13, match="*", down=True)
    assert hub_0_13.http.get("/admin/uploads").status_code == 200


def test_disconnect_breaks_an_upload_after_n_bytes_and_nothing_of_it_is_kept(hub: RunningHub) -> None:
    made = hub.new_analysis()
    bucket = made["buckets"]["TEMP"]
    headers = hub.log_in()
    fault = order(hub, match=f"POST /storage/buckets/{bucket}/upload", disconnect=1_000_000, count=1)
    files = {"f": ("cut", b"x" * 5_000_000)}
    with lone(hub) as client, pytest.raises(httpx.TransportError):
        client.post(f"/storage/buckets/{bucket}/upload", files=files, headers=headers)
    (described,) = (row for row in hub.http.get("/admin/faults").json() if row["id"] == fault["id"])
    assert (described["left"], described["hits"]) == (0, 1)
    assert hub.uploads_of(made["analysis_id"]) == []
    assert hub.upload(bucket, "cut", b"whole", headers).status_code == 201


def test_disconnect_cuts_a_stream_after_exactly_n_bytes(hub_0_8_30: RunningHub) -> None:
    hub = hub_0_8_30
    made = hub.new_analysis()
    headers = {**hub.log_in(), "Accept-Encoding": "identity"}
    file = hub.upload(made["buckets"]["TEMP"], "long", b"y" * 3_000_000, headers).json()["data"][0]
    order(hub, match=f"GET /storage/bucket-files/{file['id']}/stream", disconnect=1_500_000, count=1)
    got = bytearray()

    def read() -> None:
        with (
            lone(hub) as client,
            client.stream("GET", f"/storage/bucket-files/{file['id']}/stream", headers=headers) as r,
        ):
            for block in r.iter_raw():
                got.extend(block)

    with pytest.raises(httpx.TransportError):
        read()
    assert len(got) == 1_500_000
    read_again = hub.http.get(f"/storage/bucket-files/{file['id']}/stream", headers=headers)
    assert len(read_again.content) == 3_000_000


def test_a_lost_reply_leaves_the_request_done(hub: RunningHub) -> None:
    made = hub.new_analysis()
    bucket = made["buckets"]["RESULT"]
    headers = hub.log_in()
    order(hub, match=f"POST /storage/buckets/{bucket}/upload", lose_reply=True, count=1)
    with lone(hub) as client, pytest.raises(httpx.TransportError):
        client.post(
            f"/storage/buckets/{bucket}/upload", files={"f": ("once", b"x" * 500_000)}, headers=headers
        )
    assert [(row["path"], row["size"]) for row in hub.uploads_of(made["analysis_id"])] == [("once", 500_000)]
    assert hub.upload(bucket, "once", b"again", headers).status_code in {409, 500}


def test_a_lost_reply_to_a_link_leaves_it_made(hub_0_8_21: RunningHub) -> None:
    hub = hub_0_8_21
    made = hub.new_analysis()
    headers = hub.log_in()
    file = hub.upload(made["buckets"]["RESULT"], "r", b"x", headers).json()["data"][0]
    order(hub, match="POST /core/analysis-bucket-files", lose_reply=True, count=1)
    body = {
        "name": "r",
        "external_id": file["id"],
        "bucket_id": made["analysis_buckets"]["RESULT"],
        "root": False,
    }
    with lone(hub) as client, pytest.raises(httpx.TransportError):
        client.post("/core/analysis-bucket-files", json=body, headers=headers)
    assert len(hub.links_of(made["analysis_id"])) == 1
    hub.http.delete("/admin/faults")


def test_the_oldest_matching_fault_comes_first_and_each_counts_for_itself(hub_0_13: RunningHub) -> None:
    order(hub_0_13, match="GET /core/*", status=500, count=1)
    second = order(hub_0_13, match="/core/nodes", status=429, count=2)
    codes = [hub_0_13.http.get("/core/nodes").status_code for _ in range(4)]
    assert codes == [500, 429, 429, 401]
    remaining = hub_0_13.http.delete(f"/admin/faults/{second['id']}").json()
    assert [row["match"] for row in remaining] == ["GET /core/*"]
    assert hub_0_13.http.delete(f"/admin/faults/{second['id']}").status_code == 404


def test_globs_match_the_whole_and_plain_text_a_part(hub_0_13: RunningHub) -> None:
    order(hub_0_13, match="GET /core", status=418)
    order(hub_0_13, match="*/projects/?", status=429)
    assert hub_0_13.http.get("/core/nodes").status_code == 418
    assert hub_0_13.http.get("/storage/projects/1").status_code == 429
    assert hub_0_13.http.get("/storage/projects/12").status_code == 401


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"match": "x"},
        {"match": "", "down": True},
        {"match": "x", "status": 500, "down": True},
        {"match": "x", "status": 99},
        {"match": "x", "down": True, "count": 0},
        {"match": "x", "unknown": 1},
    ],
)
def test_orders_that_make_no_sense_are_refused(hub_0_13: RunningHub, fault: dict[str, Any]) -> None:
    assert hub_0_13.http.post("/admin/faults", json=fault).status_code == 400
