"""Packs the files of the stack for a host: one archive instead of a visit for every file."""

from __future__ import annotations

import argparse
import io
import re
import sys
import tarfile
from pathlib import Path

STAMP = 946684800  # 2000-01-01, so that the archive depends on the files alone


def files_of(source: Path, left_out: str) -> list[str]:
    """Paths of what is copied. Hidden files stay: kits are among them, and what a stack notes for itself."""
    names = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    return sorted(
        name.as_posix()
        for name in names
        if not any(part.startswith(".") for part in name.parts) and not re.search(left_out, name.as_posix())
    )


def pack(source: Path, left_out: str, archive: Path) -> None:
    """Write them into an archive, as root's; everybody may read them, and only root may write."""
    names = files_of(source, left_out)
    folders = {parent.as_posix() for name in names for parent in Path(name).parents} - {"."}
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted(folders):
            tar.addfile(_member(folder, 0o755, tarfile.DIRTYPE))
        for name in names:
            data = (source / name).read_bytes()
            executable = (source / name).stat().st_mode & 0o100
            member = _member(name, 0o755 if executable else 0o644, tarfile.REGTYPE)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def _member(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.mtime = mode, kind, STAMP
    member.uname = member.gname = "root"
    return member


def main(arguments: list[str] | None = None) -> int:
    """The command, as the role ``flip_trust_stack`` runs it."""
    parser = argparse.ArgumentParser(prog="stack_files", description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--left-out", required=True)
    parser.add_argument("--archive", type=Path, required=True)
    wanted = parser.parse_args(arguments)
    pack(wanted.source, wanted.left_out, wanted.archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
