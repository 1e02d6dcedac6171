"""The stack's own files are packed and nothing else that lies there, and in the same way every time."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from provision.stack_files import LIST, Refused, files_of, pack

from tests.unit.reference_pages import ROOT

SECRETS = (
    ".env.Trust_2.stag",
    ".node-image.trust-local",
    ".hidden/file",
    "backups/one/database.dump",
    "copies-of-backups/one/database.dump",
    "kit.env",
    "kit.env.previous",
    "ledger.csv",
    "trust.key",
    "certificates/hospital.key",
    "policy/notes.txt",
    "scripts/.up.sh.swp",
    "init/__pycache__/x.pyc",
)


def write(path: Path, text: str = "text", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The stack, and what an operator may have put beside it for everybody to read."""
    folder = tmp_path / "trust"
    write(folder / "Makefile")
    write(folder / "scripts/up.sh", mode=0o755)
    write(folder / "policy/policy.toml")
    write(folder / "certificates/hospital-ca.pem", "-----BEGIN CERTIFICATE-----")
    for name in SECRETS:
        write(folder / name)
    return folder


def test_what_is_not_the_stacks_stays_where_it_is(source: Path) -> None:
    assert files_of(source) == [
        "Makefile",
        "certificates/hospital-ca.pem",
        "policy/policy.toml",
        "scripts/up.sh",
    ]


def test_all_files_of_the_repository_are_packed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "."], cwd=ROOT / "trust", capture_output=True, text=True, check=True
    )
    assert set(listed.stdout.split()) <= set(files_of(ROOT / "trust"))


@pytest.mark.parametrize("name", ["policy/policy.toml", "certificates/hospital-ca.pem", "compose.site.yml"])
def test_what_is_closed_to_others_is_refused(source: Path, name: str) -> None:
    write(source / name, mode=0o600)
    with pytest.raises(Refused, match="is closed to others"):
        files_of(source)


def test_a_checkout_that_is_closed_as_a_whole_can_be_copied(source: Path) -> None:
    for name in ("Makefile", "scripts/up.sh"):
        (source / name).chmod(0o700)
    assert "scripts/up.sh" in files_of(source)
    (source / "policy/policy.toml").chmod(0o600)
    with pytest.raises(Refused, match=r"policy\.toml is closed to others"):
        files_of(source)


def test_a_private_key_among_the_certificates_is_refused(source: Path) -> None:
    write(source / "certificates/both.pem", "-----BEGIN PRIVATE KEY-----")
    with pytest.raises(Refused, match=r"both\.pem holds a private key"):
        files_of(source)


def test_what_is_packed_is_roots_and_everybody_may_read_it(source: Path, tmp_path: Path) -> None:
    names = pack(source, tmp_path / "stack.tar")
    with tarfile.open(tmp_path / "stack.tar") as tar:
        found = {member.name: (member.uid, member.gid, oct(member.mode)) for member in tar}
        listed = tar.extractfile(LIST)
        assert listed is not None
        assert listed.read().decode().split() == names
    folders = dict.fromkeys(("scripts", "policy", "certificates"), (0, 0, "0o755"))
    files = dict.fromkeys(names, (0, 0, "0o644"))
    assert found == {**folders, **files, "scripts/up.sh": (0, 0, "0o755")}


def test_the_same_files_give_the_same_archive(source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "1.tar")
    (source / "Makefile").touch()
    pack(source, tmp_path / "2.tar")
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
