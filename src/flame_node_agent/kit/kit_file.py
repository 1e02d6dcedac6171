"""The kit file on disk: its owner's alone at every moment, and never half written."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from flame_node_agent.errors import KitError
from flame_node_agent.kit.env_text import EnvText

PRIVATE = 0o600
PREVIOUS = ".previous"
"""Behind the name of the kit: how it was before keys were changed."""


def read_kit(path: Path) -> EnvText:
    """Read a kit file.

    Raises:
        KitError: there is none, or it cannot be read.
    """
    try:
        return EnvText(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise KitError(f"there is no {path}; `flame-node keys new-trust --kit {path}` makes it") from None
    except OSError as error:
        raise KitError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KitError(f"{path} cannot be read: it is not UTF-8") from None


def readable_by_others(path: Path) -> str | None:
    """The mode of the file, in octal, when it lets others than its owner do anything; None when not."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:04o}" if mode & 0o077 else None


@contextlib.contextmanager
def changing(path: Path) -> Iterator[EnvText | None]:
    """Read a kit to change it, None when it does not exist; others who would change it wait meanwhile.

    Raises:
        KitError: it cannot be read.
    """
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KitError(f"{path} cannot be changed: {error.strerror}") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield read_kit(path) if path.exists() else None
    finally:
        os.close(folder)


def write_kit(path: Path, text: EnvText) -> None:
    """Replace the kit in one step, with mode 0600; it keeps its owner, and a link to it stays a link.

    Raises:
        KitError: it cannot be written.
    """
    _write_private(path.resolve(), str(text))


def keep_previous(path: Path) -> Path:
    """Keep a copy of the kit as it is, in place of an earlier one; returns where.

    Raises:
        KitError: it cannot be written.
    """
    target = path.resolve()
    copy = target.with_name(target.name + PREVIOUS)
    _write_private(copy, str(read_kit(path)))
    return copy


def _write_private(target: Path, text: str) -> None:
    fresh = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        try:
            _create(fresh, target, text)
            fresh.replace(target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise KitError(f"{target} cannot be written: {error.strerror}") from None


def _create(fresh: Path, target: Path, text: str) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        # Before any content, and whatever the umask says.
        os.fchmod(descriptor, PRIVATE)
        with contextlib.suppress(FileNotFoundError, PermissionError):
            known = target.stat()
            os.fchown(descriptor, known.st_uid, known.st_gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
