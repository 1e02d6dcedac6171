"""The files of the stack are packed without kits and backups, and in the same way every time."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
import yaml
from provision.stack_files import files_of, pack

from tests.unit.reference_pages import ROOT

DEFAULTS = yaml.safe_load((ROOT / "ansible/roles/flip_trust_stack/defaults/main.yml").read_text("utf-8"))
LEFT_OUT = DEFAULTS["flip_trust_stack_left_out"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    for name in (
        "Makefile",
        "scripts/up.sh",
        ".env.Trust_2.stag",
        ".node-image.trust-local",
        ".hidden/file",
        "backups/one/database.dump",
        "init/__pycache__/x.pyc",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        (folder / name).chmod(0o600)
    (folder / "scripts/up.sh").chmod(0o700)
    return folder


def test_kits_and_backups_stay_where_they_are(source: Path) -> None:
    assert files_of(source, LEFT_OUT) == ["Makefile", "scripts/up.sh"]


def test_all_files_of_the_repository_are_packed() -> None:
    names = files_of(ROOT / "trust", LEFT_OUT)
    assert {"Makefile", "compose.yml", "kit.env.example", "scripts/preflight.sh"} <= set(names)


def test_what_is_packed_is_roots_and_everybody_may_read_it(source: Path, tmp_path: Path) -> None:
    pack(source, LEFT_OUT, tmp_path / "stack.tar")
    with tarfile.open(tmp_path / "stack.tar") as tar:
        found = {member.name: (member.uid, member.gid, oct(member.mode)) for member in tar}
    assert found == {
        "scripts": (0, 0, "0o755"),
        "Makefile": (0, 0, "0o644"),
        "scripts/up.sh": (0, 0, "0o755"),
    }


def test_the_same_files_give_the_same_archive(source: Path, tmp_path: Path) -> None:
    pack(source, LEFT_OUT, tmp_path / "1.tar")
    (source / "Makefile").touch()
    pack(source, LEFT_OUT, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
