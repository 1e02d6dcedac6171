"""The kit file is private at every moment, and replaced as a whole."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flame_node_agent.errors import KitError
from flame_node_agent.kit import kit_file
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import changing, keep_previous, read_kit, readable_by_others, write_kit


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_kit_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    write_kit(tmp_path / "kit", EnvText("A=1\n"))
    assert mode(tmp_path / "kit") == 0o600


def test_a_kit_that_others_could_read_is_theirs_no_more(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    kit.write_text("A=1\n")
    assert readable_by_others(kit) == "0666"
    write_kit(kit, EnvText("A=2\n"))
    assert readable_by_others(kit) is None
    assert kit.read_text() == "A=2\n"


def test_the_mode_is_set_before_any_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = os.fchmod

    def fchmod(descriptor: int, wanted: int) -> None:
        real(descriptor, wanted)
        found = os.fstat(descriptor)
        seen.append((stat.S_IMODE(found.st_mode), found.st_size))

    monkeypatch.setattr(kit_file.os, "fchmod", fchmod)
    write_kit(tmp_path / "kit", EnvText("SECRET=x\n"))
    assert seen == [(0o600, 0)]


def test_a_write_that_fails_leaves_the_old_kit_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = tmp_path / "kit"
    write_kit(kit, EnvText("A=1\n"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kit_file.os, "fsync", full)
    with pytest.raises(KitError, match="No space left"):
        write_kit(kit, EnvText("A=2\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["kit"]
    assert kit.read_text() == "A=1\n"


def test_a_link_to_the_kit_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    write_kit(real, EnvText("A=1\n"))
    link.symlink_to(real)
    write_kit(link, EnvText("A=2\n"))
    assert link.is_symlink()
    assert real.read_text() == "A=2\n"


def test_the_kit_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = tmp_path / "kit"
    write_kit(kit, EnvText("A=1\n"))
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(kit_file.os, "fchown", lambda descriptor, uid, gid: given.append((uid, gid)))
    write_kit(kit, EnvText("A=2\n"))
    assert given == [(kit.stat().st_uid, kit.stat().st_gid)]


def test_the_previous_kit_is_kept_privately(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    write_kit(kit, EnvText("A=1\n"))
    copy = keep_previous(kit)
    assert copy.read_text() == "A=1\n"
    assert mode(copy) == 0o600


def test_two_who_change_a_kit_wait_for_each_other(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    write_kit(kit, EnvText("COUNT=0\n"))

    def count() -> None:
        for _ in range(20):
            with changing(kit) as text:
                assert text is not None
                text.put("COUNT", str(int(text.values["COUNT"]) + 1))
                write_kit(kit, text)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_kit(kit).values["COUNT"] == "80"


def test_a_missing_or_unreadable_kit_is_told(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="keys new-trust"):
        read_kit(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KitError, match="UTF-8"):
        read_kit(tmp_path / "binary")
    with pytest.raises(KitError), changing(tmp_path / "no-folder" / "kit"):
        pass
