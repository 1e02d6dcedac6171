#!/usr/bin/python
"""Puts a participant kit in place in one step, and tells whether the one in place is whole.

Runs on the trust's host with nothing but Python's own library.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import secrets
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
    if found := links(dest):
        return [f"{name} is a link" for name in found]
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


def carry_over(folder: int, name: str, fresh: Path, known: set[str], earlier: set[str]) -> list[str]:
    """Copy what the site has put into ``local``, such as its privacy policy, where the kit has no such file.

    It belongs to another user, so no link is followed, and what is read is what was looked at.

    Raises:
        Refused: a folder there is a link, or a file has a second name elsewhere.
    """
    carried = []
    kit = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if not os.path.lexists(f"/proc/self/fd/{kit}/{SITE_OWN}"):
            return []
        for place, folders, files, here in os.fwalk(SITE_OWN, dir_fd=kit):
            for each in folders:
                if stat.S_ISLNK(os.lstat(each, dir_fd=here).st_mode):
                    raise Refused(f"{place}/{each} is a link, and nothing is copied through it")
            for path in (Path(place, each) for each in files):
                looked = os.lstat(path.name, dir_fd=here)
                if stat.S_ISREG(looked.st_mode) and path.as_posix() not in known | earlier:
                    _copy_own(here, path, looked, fresh / path)
                    carried.append(path.as_posix())
    finally:
        os.close(kit)
    return sorted(carried)


def _copy_own(here: int, path: Path, looked: os.stat_result, target: Path) -> None:
    descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    with os.fdopen(descriptor, "rb") as source:
        opened = os.fstat(descriptor)
        if not os.path.samestat(looked, opened) or opened.st_nlink != 1:
            raise Refused(f"{path} is not a file of its own")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(source, file)
        target.chmod(opened.st_mode & 0o777)


def own(root: Path, uid: int, gid: int, files: dict[str, dict[str, Any]]) -> None:
    """Give everything its owner and mode."""
    for path in [root, *root.rglob("*")]:
        os.lchown(path, uid, gid)
        if path.is_dir():
            path.chmod(0o755)
        elif (fact := files.get(path.relative_to(root).as_posix())) is not None:
            path.chmod(fact["mode"])


def open_folder(path: Path) -> int:
    """Open a folder, through links that only the one who runs this could have made.

    Raises:
        Refused: another user could have made one of them.
    """
    folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    for part in path.parts[1:]:
        holder = os.fstat(folder)
        ours = holder.st_uid == os.geteuid() and not holder.st_mode & 0o022
        flags = os.O_RDONLY | os.O_DIRECTORY | (0 if ours else os.O_NOFOLLOW)
        try:
            below = os.open(part, flags, dir_fd=folder)
        except NotADirectoryError:
            raise Refused(f"{part} of {path} is a link that its user could have made, or no folder") from None
        finally:
            os.close(folder)
        folder = below
    return folder


def links(dest: Path) -> list[str]:
    """What is a link where a kit has folders."""
    found = [dest] if dest.is_symlink() else sorted(dest.iterdir()) if dest.is_dir() else []
    return [path.name for path in found if path.is_symlink()]


def exchange(fresh: Path, folder: int, name: str) -> None:
    """Swap two folders in one step, so that at every moment there is a whole kit in its place."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.renameat2(AT_FDCWD, os.fsencode(fresh), folder, os.fsencode(name), RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def install(dest: Path, archive: Path, digest: str, uid: int, gid: int) -> list[str]:
    """Put the kit of ``archive`` in place; returns the names of the site's own files that were carried over.

    The folder around it belongs to another user. So everything is made in a folder that nobody else may enter, held
    open, as its name could be given to another one; and its owner is changed at the end.

    Raises:
        Refused: the archive is not what it should be, or there are links; the kit in place is kept.
        OSError: the disk would not have it; the kit in place is kept.
    """
    folder = open_folder(dest.parent)
    around = Path(f"/proc/self/fd/{folder}")
    name = f".{dest.name}.{secrets.token_hex(8)}"
    os.mkdir(name, 0o700, dir_fd=folder)
    private = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    work = Path(f"/proc/self/fd/{private}")
    try:
        held = os.fstat(private)
        if held.st_uid != os.geteuid() or held.st_mode & 0o077:
            raise Refused(f"{name} was exchanged")
        if found := links(around / dest.name):
            raise Refused(f"{', '.join(found)} is a link where a kit has folders; remove it")
        manifest = unpack(archive, digest, work / "kit")
        there = os.path.lexists(around / dest.name)
        carried = []
        if there:
            known = set(manifest["files"])
            carried = carry_over(
                folder, dest.name, work / "kit", known, _files_of_earlier(around / dest.name)
            )
        own(work / "kit", uid, gid, manifest["files"])
        (work / "manifest").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
        (work / "manifest").chmod(0o644)
        if there:
            exchange(work / "kit", folder, dest.name)
            _put_away(work / "kit", previous_path(around / dest.name))
        else:
            (work / "kit").rename(around / dest.name)
        (work / "manifest").rename(manifest_path(around / dest.name))
    finally:
        shutil.rmtree(around / name, ignore_errors=True)
        os.close(private)
        os.close(folder)
    return carried


def _files_of_earlier(dest: Path) -> set[str]:
    try:
        return set(json.loads(manifest_path(dest).read_text())["files"])
    except (OSError, ValueError, KeyError):
        return set()


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
