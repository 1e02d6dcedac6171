"""Packs the files of the stack for a host: one archive instead of a visit for every file."""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
from pathlib import Path

STAMP = 946684800  # 2000-01-01, so that the archive depends on the files alone
LIST = ".stack-files"
"""Goes along, so that the next release knows which files this one has brought."""
OF_THE_STACK = (
    "Makefile",
    "compose*.yml",
    "kit.env.example",
    "scripts/*.sh",
    "init/*.py",
    "omop/*.sh",
    "omop/*.sql",
    "keycloak/*.json",
    "keycloak/*.sh",
    "keycloak/*.py",
)
OF_THE_SITE = (
    "policy/README.md",
    "policy/*.toml",
    "policy/*.pem",
    "certificates/README.md",
    "certificates/*.pem",
    "certificates/*.crt",
)
"""Not in the repository, but for the README: what the operator puts there for the containers."""


class Refused(Exception):
    """Something that is not meant for everybody would be copied where everybody may read it."""


def files_of(source: Path) -> list[str]:
    """Paths of what is copied. Kits, backups and whatever else lies there stay.

    Raises:
        Refused: one of them is closed to others, or holds a private key.
    """
    stack, site = (
        {path for each in some for path in source.glob(each)} for some in (OF_THE_STACK, OF_THE_SITE)
    )
    found = sorted(path for path in stack | site if path.is_file() and not path.name.startswith("."))
    # A checkout that was made under umask 077 is closed as a whole, which says nothing about a single file.
    telling = (
        found if (source / "Makefile").stat().st_mode & 0o004 else [path for path in found if path in site]
    )
    for path in telling:
        if not path.stat().st_mode & 0o004:
            raise Refused(
                f"{path} is closed to others, and the host's users could read its copy: chmod a+r or remove it"
            )
    for path in found:
        if path in site and b"PRIVATE KEY-----" in path.read_bytes():
            raise Refused(f"{path} holds a private key, and the host's users could read its copy: remove it")
    return [path.relative_to(source).as_posix() for path in found]


def pack(source: Path, archive: Path) -> list[str]:
    """Write them into an archive, as root's; everybody may read them, and only root may write. Returns their names.

    Raises:
        Refused: as ``files_of``.
    """
    names = [*files_of(source), LIST]
    folders = {parent.as_posix() for name in names for parent in Path(name).parents} - {"."}
    with tarfile.open(archive, "w", format=tarfile.GNU_FORMAT) as tar:
        for folder in sorted(folders):
            tar.addfile(_member(folder, 0o755, tarfile.DIRTYPE))
        for name in names:
            path = source / name
            data = "".join(f"{each}\n" for each in names).encode() if name == LIST else path.read_bytes()
            executable = name != LIST and path.stat().st_mode & 0o100
            member = _member(name, 0o755 if executable else 0o644, tarfile.REGTYPE)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return names


def _member(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.mtime = mode, kind, STAMP
    member.uname = member.gname = "root"
    return member


def main(arguments: list[str] | None = None) -> int:
    """The command, as the role ``flip_trust_stack`` runs it; prints the names of what it has packed."""
    parser = argparse.ArgumentParser(prog="stack_files", description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--archive", type=Path, required=True)
    wanted = parser.parse_args(arguments)
    try:
        print("\n".join(pack(wanted.source, wanted.archive)))
    except Refused as reason:
        print(f"✘ {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
