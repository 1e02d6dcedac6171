"""Multipart bodies in any slicing end up as the same files on disk."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame_node_agent.devstack.hub.files import FileStore
from flame_node_agent.devstack.hub.multipart_upload import read_upload
from flame_node_agent.devstack.hub.refusals import Refusal

KIND = "multipart/form-data; boundary=cut"


def body_of(*files: tuple[str, bytes]) -> bytes:
    parts = (
        f'--cut\r\nContent-Disposition: form-data; name="x"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    )
    return b"".join(parts) + b"--cut--\r\n"


async def sliced(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def stored(store: FileStore, body: bytes, size: int) -> list[tuple[str, bytes]]:
    found = []
    async with aclosing(read_upload(KIND, sliced(body, size), store)) as uploads:
        async for file in uploads:
            content = store.path(file.stored.id).read_bytes()
            assert (file.stored.size, file.stored.sha256) == (
                len(content),
                hashlib.sha256(content).hexdigest(),
            )
            found.append((file.path, content))
    return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    contents=st.lists(
        st.binary(max_size=300) | st.sampled_from([b"\r\n--cu", b"\r\n--cut", b"--cut--", b"\r"]), max_size=4
    ),
    size=st.integers(1, 400),
)
async def test_slicing_does_not_matter(tmp_path: Path, contents: list[bytes], size: int) -> None:
    store = FileStore(tmp_path)
    files = [(f"f{n}", content) for n, content in enumerate(contents) if b"\r\n--cut" not in content]
    assert await stored(store, body_of(*files), size) == files


async def test_large_parts_are_written_block_by_block(tmp_path: Path) -> None:
    content = bytes(range(256)) * 16_384
    assert await stored(FileStore(tmp_path), body_of(("large", content)), 65_536) == [("large", content)]


async def test_a_cut_body_keeps_the_finished_parts_and_nothing_of_the_cut_one(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    body = body_of(("whole", b"1"), ("cut", b"x" * 3_000_000))[:-2_000]
    seen = []
    with pytest.raises(Refusal):
        async with aclosing(read_upload(KIND, sliced(body, 65_536), store)) as uploads:
            async for file in uploads:
                seen.append(file.path)
    assert seen == ["whole"]
    assert list((tmp_path / "incoming").iterdir()) == []
    assert len(list((tmp_path / "files").iterdir())) == 1


async def test_a_sweep_keeps_what_is_known_only(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for name in ("known", "unknown"):
        store.path(name).write_bytes(b"x")
    (tmp_path / "incoming" / "rest").write_bytes(b"x")
    store.sweep(frozenset({"known"}))
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["known"]
    assert list((tmp_path / "incoming").iterdir()) == []
