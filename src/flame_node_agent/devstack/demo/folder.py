"""Where a demonstration keeps its state: gone afterwards, kept for a look when it has failed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flame_node_agent.devstack.postgres_home import remove_abandoned_data
from flame_node_agent.devstack.processes import StackError
from flame_node_agent.devstack.state import StateDirectory

_PREFIX = "flame-node-demo-"
_ROOMY = Path("/var/tmp")  # noqa: S108  on disk where /tmp is memory; the name in it is random
_NEEDED_BYTES = 2 << 30


@contextlib.contextmanager
def demo_folder() -> Iterator[Path]:
    """A new folder, removed unless an error passes through, which then names it. StackError if the disk is full."""
    base = Path(tempfile.gettempdir()) if "TMPDIR" in os.environ or not _ROOMY.is_dir() else _ROOMY
    _remove_former(base)
    if shutil.disk_usage(base).free < _NEEDED_BYTES:
        raise StackError(
            f"the demonstration needs {_NEEDED_BYTES >> 30} GiB in {base}; choose a place with TMPDIR"
        )
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    folder.chmod(0o711)  # PostgreSQL may run under another account
    try:
        yield folder
    except Exception as error:
        error.add_note(f"logs: {folder}/*/*.log (until the next demonstration)")
        raise
    except KeyboardInterrupt:
        _remove(folder)
        raise
    _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    remove_abandoned_data()


def _remove_former(base: Path) -> None:
    """Remove what failed or killed demonstrations of this account have left, unless one is still running."""
    for folder in base.glob(f"{_PREFIX}*"):
        if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
            continue
        state = StateDirectory(folder)
        with contextlib.suppress(StackError):
            state.lock()
            _remove(folder)
            state.unlock()
