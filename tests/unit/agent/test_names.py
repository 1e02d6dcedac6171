"""Names under which files are offered to the hub."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.agent.names import LONGEST_NAME, hub_names, marked
from flame_node_agent.stores.uploads import Upload, UploadKind, UploadState

UPLOAD_ID = UUID("12345678-1234-5678-1234-567812345678")


def upload(filename: str, hub_path: str | None = None) -> Upload:
    now = datetime.now(UTC)
    return Upload(
        upload_id=UPLOAD_ID,
        kind=UploadKind.FINAL,
        interactive=False,
        analysis_id=UPLOAD_ID,
        project_id=None,
        object_key="outbox/1",
        owns_object=True,
        filename=filename,
        content_type="text/csv",
        size=1,
        sha256="",
        bucket=None,
        recipient=None,
        seal_nonce=None,
        hub_path=hub_path,
        hub_file_id=None,
        state=UploadState.UPLOADING,
        attempts=1,
        lease_token=None,
        last_error=None,
        created_at=now,
        finished_at=None,
    )


def test_the_analysis_own_name_comes_first_and_suffixes_keep_the_ending() -> None:
    assert hub_names(upload("model.pkl")) == [
        "model.pkl",
        "model-12345678.pkl",
        "model-12345678123456781234567812345678.pkl",
    ]


def test_a_name_begun_with_comes_before_all_others_once() -> None:
    assert hub_names(upload("model.pkl", "model-12345678.pkl"))[:2] == ["model-12345678.pkl", "model.pkl"]
    assert len(hub_names(upload("model.pkl", "model.pkl"))) == 3


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("no-ending", "no-ending-x"),
        (".hidden", ".hidden-x"),
        ("a/b.tar.gz", "a/b.tar-x.gz"),
        ("../../etc/passwd", "../../etc/passwd-x"),
        ("dir/", "dir/-x"),
    ],
)
def test_a_mark_goes_before_the_ending(filename: str, expected: str) -> None:
    assert marked(filename, "x") == expected


@given(st.text(min_size=1, max_size=600))
def test_every_name_offered_is_one_a_hub_can_keep(filename: str) -> None:
    for name in hub_names(upload(filename)):
        wire = name.replace("\\", "\\\\").replace('"', "%22").replace("\n", "%0A").replace("\r", "%0D")
        assert 0 < len(wire.encode("utf-8", "surrogatepass")) <= LONGEST_NAME


def test_a_name_that_is_too_long_is_shortened_and_keeps_its_ending() -> None:
    (first, second) = hub_names(upload("x" * 300 + ".csv"))
    assert PurePosixPath(first).suffix == PurePosixPath(second).suffix == ".csv"
    assert first != second
