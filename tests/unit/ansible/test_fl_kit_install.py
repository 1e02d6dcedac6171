"""A kit is put in place by root in a folder that belongs to somebody else, who may have put links there."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.reference_pages import ROOT


def _load() -> ModuleType:
    path = ROOT / "ansible/library/flip_fl_kit_install.py"
    spec = importlib.util.spec_from_file_location("flip_fl_kit_install", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KIT = _load()


def pack(folder: Path, release: str) -> tuple[Path, str]:
    """A small kit, and its digest."""
    path = folder / f"{release}.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("startup", "local", "transfer"):
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            tar.addfile(member)
        for name, text in (("startup/client.key", release), ("local/log.json", "{}")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """A place where a first kit is."""
    path = tmp_path / "services/Trust_2"
    path.parent.mkdir()
    install(path, "1")
    return path


def install(dest: Path, release: str) -> list[str]:
    archive, digest = pack(dest.parents[1], release)
    carried = KIT.install(dest, archive, digest, os.geteuid(), os.getegid())
    assert KIT.differences(dest, digest, os.geteuid(), os.getegid()) == []
    assert isinstance(carried, list)
    return carried


def release(dest: Path) -> str:
    return (dest / "startup/client.key").read_text()


def test_a_kit_takes_the_place_of_another_and_keeps_what_the_site_has_added(dest: Path) -> None:
    (dest / "local/own").mkdir()
    (dest / "local/own/privacy.json").write_text("own")
    assert install(dest, "2") == ["local/own/privacy.json"]
    assert release(dest) == "2"
    assert (dest / "local/own/privacy.json").read_text() == "own"
    assert release(dest.with_name(".Trust_2.previous")) == "1"
    left = {path.name for path in dest.parent.iterdir()}
    assert left == {"Trust_2", ".Trust_2.previous", ".Trust_2.manifest.json"}


@pytest.mark.parametrize("place", ["local", "local/own", "startup", ""])
def test_nothing_is_copied_through_a_link(dest: Path, tmp_path: Path, place: str) -> None:
    secret = tmp_path / "etc"
    secret.mkdir()
    (secret / "shadow").write_text("sentinel-of-the-host")
    linked = dest / place
    if linked.exists():
        linked.rename(tmp_path / "away")
    linked.symlink_to(secret)
    archive, digest = pack(tmp_path, "2")
    with pytest.raises(KIT.Refused, match="link"):
        KIT.install(dest, archive, digest, os.geteuid(), os.getegid())
    assert linked.is_symlink()
    assert not [path for path in dest.parent.rglob("shadow") if "sentinel" in path.read_text()]
    assert not list(dest.parent.glob(".Trust_2.previous"))
    assert (secret / "shadow").stat().st_mode & 0o777 == 0o644


def test_a_link_to_a_file_is_not_carried_over(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("sentinel-of-the-host")
    (dest / "local/privacy.json").symlink_to(tmp_path / "shadow")
    assert install(dest, "2") == []
    assert not (dest / "local/privacy.json").exists()


def test_a_second_name_of_a_file_elsewhere_is_refused(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("sentinel-of-the-host")
    os.link(tmp_path / "shadow", dest / "local/privacy.json")
    archive, digest = pack(tmp_path, "2")
    with pytest.raises(KIT.Refused, match="not a file of its own"):
        KIT.install(dest, archive, digest, os.geteuid(), os.getegid())
    assert release(dest) == "1"


def test_what_is_noted_is_not_written_through_a_link(dest: Path, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("as it was")
    note = dest.with_name(".Trust_2.manifest.json")
    note.unlink()
    note.symlink_to(tmp_path / "passwd")
    install(dest, "2")
    assert (tmp_path / "passwd").read_text() == "as it was"
    assert not note.is_symlink()


def test_a_link_above_the_kit_is_followed_only_where_nobody_else_could_have_made_it(tmp_path: Path) -> None:
    (tmp_path / "disk/services").mkdir(parents=True)
    (tmp_path / "flip").symlink_to(tmp_path / "disk")
    tmp_path.chmod(0o755)
    install(tmp_path / "flip/services/Trust_2", "1")
    tmp_path.chmod(0o777)
    with pytest.raises(KIT.Refused, match="is a link"):
        KIT.open_folder(tmp_path / "flip/services")


def test_a_broken_archive_leaves_the_kit_and_nothing_else(dest: Path, tmp_path: Path) -> None:
    archive, _ = pack(tmp_path, "2")
    with pytest.raises(KIT.Refused, match="arrived broken"):
        KIT.install(dest, archive, "0" * 64, os.geteuid(), os.getegid())
    assert release(dest) == "1"
    assert {path.name for path in dest.parent.iterdir()} == {"Trust_2", ".Trust_2.manifest.json"}
