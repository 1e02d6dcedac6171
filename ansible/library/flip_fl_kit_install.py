#!/usr/bin/python
"""Puts a participant kit in place in one step, and tells whether the one in place is whole.

Runs on the trust's host with nothing but Python's own library.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Any, BinaryIO

DOCUMENTATION = r"""
module: flip_fl_kit_install
short_description: Put a participant kit for federated learning in place in one step
description:
  - Compares the kit in place with the digest of the wanted one, file by file, and without an archive only says so.
  - With an archive, checks its digest, unpacks it beside the kit in place, and exchanges the two in one step.
  - The kit before is kept as .<slot>.previous; files of the site's own in its folder local are carried over.
options:
  dest: {description: Folder of the kit, type: path, required: true}
  digest: {description: SHA-256 of the archive that the kit came in, type: str, required: true}
  archive: {description: The archive on the host; none to compare only, type: path}
  owner: {description: Owner's name of all files, type: str, required: true}
  group: {description: Group's name of all files, type: str, required: true}
"""

WRITABLE = "transfer"
SITE_OWN = "local"
PRIVATE_SUFFIXES = (".key", ".pfx")
PRIVATE_NAMES = ("supernode_credentials_",)
RENAME_EXCHANGE = 2
AT_FDCWD = -100


class Refused(Exception):
    """The archive is not what it should be; nothing was changed."""


def mode_of(path: str, *, executable: bool) -> int:
    """Mode of a file of the kit: private keys are their owner's alone."""
    name = path.rsplit("/", 1)[-1]
    if name.endswith(PRIVATE_SUFFIXES) or name.startswith(PRIVATE_NAMES):
        return 0o600
    return 0o755 if executable else 0o644


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return (
            hashlib.file_digest(file, "sha256").hexdigest()
            if hasattr(hashlib, "file_digest")
            else _slow(file)
        )


def _slow(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def manifest_path(dest: Path) -> Path:
    """Where the facts of the kit in place are kept: beside it, as the kit is not ours to add to."""
    return dest.with_name(f".{dest.name}.manifest.json")


def previous_path(dest: Path) -> Path:
    """Where the kit before is kept."""
    return dest.with_name(f".{dest.name}.previous")


def differences(dest: Path, digest: str, uid: int, gid: int) -> list[str]:
    """What is not as it should be; nothing when the wanted kit is in place, whole, with its owners and modes."""
    try:
        manifest = json.loads(manifest_path(dest).read_text())
    except (OSError, ValueError):
        return ["no kit is in place"]
    if manifest.get("digest") != digest:
        return ["another kit is in place"]
    found = []
    for name, fact in sorted(manifest["files"].items()):
        path = dest / name
        try:
            status = path.lstat()
        except OSError:
            found.append(f"{name} is missing")
            continue
        if not stat.S_ISREG(status.st_mode) or sha256(path) != fact["sha256"]:
            found.append(f"{name} was changed")
        elif (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (uid, gid, fact["mode"]):
            found.append(f"{name} has another owner or mode")
    found += [f"{folder} is missing" for folder in manifest["folders"] if not (dest / folder).is_dir()]
    known = set(manifest["files"])
    for top in manifest["folders"]:
        if top in {WRITABLE, SITE_OWN}:
            continue
        names = [path.relative_to(dest).as_posix() for path in (dest / top).rglob("*") if not path.is_dir()]
        found += [f"{name} does not belong to the kit" for name in names if name not in known]
    return found


def unpack(archive: Path, digest: str, fresh: Path) -> dict[str, Any]:
    """Unpack an archive whose digest is right into a new folder; returns the manifest of it.

    Raises:
        Refused: the archive is broken, or holds anything but plain files and folders inside of it.
    """
    if sha256(archive) != digest:
        raise Refused("the archive arrived broken: its SHA-256 is not the one it was sent with")
    files = {}
    folders = []
    fresh.mkdir(mode=0o700)
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = Path(member.name).parts
            if (
                not parts
                or member.name.startswith("/")
                or ".." in parts
                or not (member.isfile() or member.isdir())
            ):
                raise Refused(f"the archive holds something that no kit holds: {member.name}")
            target = fresh / member.name
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                if len(parts) == 1:
                    folders.append(member.name)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            source = tar.extractfile(member)
            assert source is not None, "a plain file has content"
            with target.open("wb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            mode = mode_of(member.name, executable=bool(member.mode & 0o100))
            files[member.name] = {"sha256": sha256(target), "mode": mode}
    return {"digest": digest, "files": files, "folders": sorted(folders)}


def carry_over(dest: Path, fresh: Path, known: set[str]) -> list[str]:
    """Copy what the site has put into ``local``, such as its privacy policy, where the kit has no such file."""
    carried = []
    try:
        earlier = set(json.loads(manifest_path(dest).read_text())["files"])
    except (OSError, ValueError, KeyError):
        earlier = set()
    for path in sorted((dest / SITE_OWN).rglob("*")):
        name = path.relative_to(dest).as_posix()
        if path.is_file() and not path.is_symlink() and name not in known and name not in earlier:
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, fresh / name)
            carried.append(name)
    return carried


def own(root: Path, uid: int, gid: int, files: dict[str, dict[str, Any]]) -> None:
    """Give everything its owner and mode."""
    for path in [root, *root.rglob("*")]:
        os.lchown(path, uid, gid)
        if path.is_dir():
            path.chmod(0o755)
        elif (fact := files.get(path.relative_to(root).as_posix())) is not None:
            path.chmod(fact["mode"])


def exchange(fresh: Path, dest: Path) -> None:
    """Swap two folders in one step, so that at every moment there is a whole kit at ``dest``."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.renameat2(AT_FDCWD, os.fsencode(fresh), AT_FDCWD, os.fsencode(dest), RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(dest))


def install(dest: Path, archive: Path, digest: str, uid: int, gid: int) -> list[str]:
    """Put the kit of ``archive`` in place; returns the names of the site's own files that were carried over.

    Raises:
        Refused: the archive is not what it should be; the kit in place is kept.
        OSError: the disk would not have it; the kit in place is kept.
    """
    fresh = dest.with_name(f".{dest.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        manifest = unpack(archive, digest, fresh)
        carried = carry_over(dest, fresh, set(manifest["files"]))
        own(fresh, uid, gid, manifest["files"])
        if dest.exists():
            exchange(fresh, dest)
            _put_away(fresh, previous_path(dest))
        else:
            fresh.rename(dest)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    facts = manifest_path(dest)
    facts.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    facts.chmod(0o644)
    return carried


def _put_away(earlier: Path, previous: Path) -> None:
    # Empty folders, made before there was any kit, are no kit to go back to.
    if any(path.is_file() for path in earlier.rglob("*")):
        shutil.rmtree(previous, ignore_errors=True)
        earlier.rename(previous)
    else:
        shutil.rmtree(earlier)


def main() -> None:
    """The module as Ansible runs it."""
    import grp
    import pwd

    from ansible.module_utils.basic import AnsibleModule

    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "digest": {"type": "str", "required": True},
            "archive": {"type": "path"},
            "owner": {"type": "str", "required": True},
            "group": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    dest = Path(wanted["dest"])
    try:
        uid, gid = pwd.getpwnam(wanted["owner"]).pw_uid, grp.getgrnam(wanted["group"]).gr_gid
    except KeyError:
        if not module.check_mode:
            module.fail_json(msg="the owner or the group of the kit does not exist")
        uid = gid = -1
    found = differences(dest, wanted["digest"], uid, gid)
    if not found or module.check_mode or not wanted["archive"]:
        module.exit_json(changed=bool(found), differences=found)
    try:
        carried = install(dest, Path(wanted["archive"]), wanted["digest"], uid, gid)
    except (Refused, OSError, tarfile.TarError, EOFError) as error:
        module.fail_json(msg=f"The kit was refused, the one in place is kept: {error}")
    module.exit_json(changed=True, differences=found, carried_over=carried)


if __name__ == "__main__":
    main()
