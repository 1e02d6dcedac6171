"""Storage: what an upload may look like, what becomes of its name, what is refused, and reading files back."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.integration.devhub.running import RunningHub

BOUNDARY = "b0undary"


@pytest.fixture
def temp(hub: RunningHub) -> str:
    """A fresh TEMP bucket."""
    return str(hub.new_analysis()["buckets"]["TEMP"])


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """A body of parts with the given Content-Disposition parameters."""
    body = b""
    for parameters, content in parts:
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"{parameters}\r\n\r\n'.encode()
            + content
            + b"\r\n"
        )
    return body + f"--{BOUNDARY}--\r\n".encode()


def post(
    hub: RunningHub, bucket: str, body: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}"
) -> httpx.Response:
    headers = {**hub.log_in(), "Content-Type": kind}
    return hub.http.post(f"/storage/buckets/{bucket}/upload", content=body, headers=headers)


def test_upload_answers_201_with_the_file_record(hub: RunningHub, temp: str) -> None:
    answer = hub.upload(temp, "folder/result.csv", b"a,b\n1,2\n")
    assert answer.status_code == 201
    body = answer.json()
    assert body["meta"] == {"total": 1}
    (file,) = body["data"]
    assert (file["name"], file["path"], file["directory"], file["size"]) == (
        "result.csv",
        "folder/result.csv",
        "folder",
        8,
    )
    owner, bucket = ("actorType", "bucketId") if hub.profile == "0.13" else ("actor_type", "bucket_id")
    assert file[owner] == ("robot" if hub.profile == "0.8.21" else "client")
    assert file[bucket] == temp
    assert {"hash", "size", "id"} <= file.keys()


def test_content_comes_back_exactly_and_zipped_only_when_accepted(hub: RunningHub, temp: str) -> None:
    content = os.urandom(100_000) + b"\0" * 3_000_000
    headers = hub.log_in()
    file = hub.upload(temp, "blob.bin", content, headers).json()["data"][0]
    for accepted, encoding in (("gzip, deflate", "gzip"), ("identity", "identity")):
        url = f"/storage/bucket-files/{file['id']}/stream"
        answer = hub.http.get(url, headers={**headers, "Accept-Encoding": accepted})
        assert answer.content == content
        assert answer.headers["content-encoding"] == encoding
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "content-length" not in answer.headers


def test_empty_files_are_files(hub: RunningHub, temp: str) -> None:
    headers = hub.log_in()
    file = hub.upload(temp, "empty", b"", headers).json()["data"][0]
    assert file["size"] == 0
    assert hub.http.get(f"/storage/bucket-files/{file['id']}/stream", headers=headers).content == b""


def test_chunked_request_bodies_are_accepted(hub: RunningHub, temp: str) -> None:
    body = multipart(('; filename="chunked.bin"', b"x" * 300_000))

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 7_777):
            yield body[start : start + 7_777]

    headers = {**hub.log_in(), "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = hub.http.post(f"/storage/buckets/{temp}/upload", content=pieces(), headers=headers)
    assert answer.json()["data"][0]["size"] == 300_000


def test_every_part_with_a_file_name_counts_and_the_others_do_not(hub: RunningHub, temp: str) -> None:
    parts = (
        ('; filename="one"', b"1"),
        ("", b"no file"),
        ('; filename="two"', b"22"),
        ('; filename=""', b"none"),
    )
    answer = post(hub, temp, multipart(*parts))
    assert answer.status_code == 201
    assert [(file["path"], file["size"]) for file in answer.json()["data"]] == [("one", 1), ("two", 2)]


def test_an_upload_without_files_is_an_empty_201(hub: RunningHub, temp: str) -> None:
    answer = post(hub, temp, multipart(("", b"no file")))
    assert (answer.status_code, answer.json()) == (201, {"data": [], "meta": {"total": 0}})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b""),
        (f"multipart/form-data; boundary={BOUNDARY}", b""),
        (f"multipart/form-data; boundary={BOUNDARY}", b"no multipart at all"),
        (f"multipart/form-data; boundary={BOUNDARY}", multipart(('; filename="cut"', b"x" * 100))[:-40]),
    ],
)
def test_bodies_that_are_no_complete_multipart_get_400_and_leave_nothing(
    hub: RunningHub, temp: str, kind: str, body: bytes
) -> None:
    answer = post(hub, temp, body, kind)
    assert answer.status_code == answer.json()["statusCode"] == 400
    assert [row for row in hub.http.get("/admin/uploads").json() if row["bucket"] == temp] == []
    assert list((hub.state_dir / "incoming").iterdir()) == []


def test_utf8_names_are_stored_as_busboy_reads_them_and_admin_shows_what_was_meant(
    hub: RunningHub, temp: str
) -> None:
    file = hub.upload(temp, "größe.csv", b"1").json()["data"][0]
    assert file["path"] == "größe.csv".encode().decode("latin-1")
    (row,) = (row for row in hub.http.get("/admin/uploads").json() if row["bucket"] == temp)
    assert (row["path"], row["stored_path"]) == ("größe.csv", file["path"])


def test_rfc_5987_names_are_stored_properly(hub: RunningHub, temp: str) -> None:
    parameters = "; filename=\"x\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv"
    assert post(hub, temp, multipart((parameters, b"1"))).json()["data"][0]["path"] == "größe.csv"


def test_hostile_names_stay_data(hub: RunningHub, temp: str) -> None:
    before = {path.name for path in hub.state_dir.parent.iterdir()}
    paths = ["../../escape", "/etc/passwd", "a\\b", 'quo"te', "..", "a/b/"]
    stored = [hub.upload(temp, path, b"x").json()["data"][0]["path"] for path in paths]
    assert stored == ["../../escape", "/etc/passwd", "a\\b", "quo%22te", "..", "a/b/"]
    assert {path.name for path in hub.state_dir.parent.iterdir()} == before


def test_names_too_long_for_the_column_are_an_internal_error(hub: RunningHub, temp: str) -> None:
    assert hub.upload(temp, "d/" + "n" * 256, b"x").status_code == 201
    assert hub.upload(temp, "n" * 257, b"x").status_code == 500
    assert hub.upload(temp, "d" * 300 + "/" + "n" * 212, b"x").status_code == 500


def test_a_second_file_of_the_same_path_conflicts_and_overwrites_nothing(hub: RunningHub, temp: str) -> None:
    headers = hub.log_in()
    first = hub.upload(temp, "same", b"first", headers).json()["data"][0]
    second = hub.upload(temp, "same", b"second", headers)
    if hub.profile == "0.8.21":
        assert (second.status_code, second.json()["code"]) == (500, "INTERNAL_SERVER_ERROR")
    else:
        assert (second.status_code, second.json()["code"]) == (409, "entity_conflict")
    assert hub.http.get(f"/storage/bucket-files/{first['id']}/stream", headers=headers).content == b"first"
    (row,) = (row for row in hub.http.get("/admin/uploads").json() if row["bucket"] == temp)
    assert row["sha256"] == hashlib.sha256(b"first").hexdigest()
    assert len(list((hub.state_dir / "files").glob(f"{row['id']}*"))) == 1


def test_the_same_path_in_another_bucket_is_fine(hub: RunningHub) -> None:
    made = hub.new_analysis()
    for bucket in made["buckets"].values():
        assert hub.upload(bucket, "same", b"x").status_code == 201


def test_one_conflicting_file_fails_the_request_but_not_the_others(hub: RunningHub, temp: str) -> None:
    hub.upload(temp, "taken", b"x")
    answer = post(hub, temp, multipart(('; filename="taken"', b"1"), ('; filename="free"', b"2")))
    assert answer.status_code in {409, 500}
    assert {row["path"] for row in hub.http.get("/admin/uploads").json() if row["bucket"] == temp} == {
        "taken",
        "free",
    }


def test_unknown_buckets_get_404_and_non_uuids_400_or_at_0_8_21_a_name(hub: RunningHub) -> None:
    assert hub.upload(str(uuid.uuid4()), "x", b"x").status_code == 404
    made = hub.new_analysis()
    bucket_id, name = made["buckets"]["TEMP"], made["analysis_buckets"]["TEMP"]
    assert hub.upload("no-such-bucket", "x", b"x").status_code == (404 if hub.profile == "0.8.21" else 400)
    headers = hub.log_in()
    assert hub.http.get(f"/storage/buckets/{bucket_id}", headers=headers).status_code == 200
    found = hub.http.get("/storage/buckets", params={"filter[name]": name}, headers=headers).json()["data"]
    assert [bucket["id"] for bucket in found] == [bucket_id]


def test_files_can_be_deleted_with_202_and_are_gone(hub: RunningHub, temp: str) -> None:
    headers = hub.log_in()
    file = hub.upload(temp, "gone", b"x", headers).json()["data"][0]
    path = f"/storage/bucket-files/{file['id']}"
    assert hub.http.get(path, params={"include": "bucket"}, headers=headers).status_code == 200
    assert hub.http.delete(path, headers=headers).status_code == 202
    assert hub.http.get(path, headers=headers).status_code == 404
    assert hub.http.get(f"{path}/stream", headers=headers).status_code == 404
    assert hub.http.delete(path, headers=headers).status_code == 404
    assert hub.upload(temp, "gone", b"again", headers).status_code == 201


def test_what_the_hub_knows_of_a_file_cannot_be_changed(hub: RunningHub, temp: str) -> None:
    headers = hub.log_in()
    file = hub.upload(temp, "fixed", b"x", headers).json()["data"][0]
    for path in (f"/storage/bucket-files/{file['id']}", "/storage/bucket-files"):
        assert hub.http.post(path, json={"sha256": "0", "path": "y"}, headers=headers).status_code == 405
    (row,) = (row for row in hub.http.get("/admin/uploads").json() if row["bucket"] == temp)
    assert (row["path"], row["sha256"]) == ("fixed", hashlib.sha256(b"x").hexdigest())


def test_uploads_need_a_token_before_the_body_is_looked_at(hub: RunningHub, temp: str) -> None:
    answer = hub.http.post(f"/storage/buckets/{temp}/upload", content=b"x" * 5_000_000)
    assert (answer.status_code, answer.json()["statusCode"]) == (401, 401)


def test_large_uploads_are_hashed_and_kept_whole(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.8.30")
    block = os.urandom(1 << 20)
    digest = hashlib.sha256()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="large"\r\n\r\n'.encode()

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(64):
            digest.update(block)
            yield block
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    bucket = hub.new_analysis()["buckets"]["TEMP"]
    headers = {**hub.log_in(), "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert (
        hub.http.post(f"/storage/buckets/{bucket}/upload", content=body(), headers=headers).status_code == 201
    )
    (row,) = hub.http.get("/admin/uploads").json()
    assert (row["size"], row["sha256"]) == (64 << 20, digest.hexdigest())
