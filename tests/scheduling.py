"""Which tests one pytest-xdist worker gets together, under `--dist loadgroup`.

Those of one file, as many share servers of that file, and those of all files that name the same `xdist_group`. xdist's
own way with groups marks test ids, which pytest 9.2 has made unchangeable.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

_GROUP = re.compile(r'\bxdist_group\("([^"]+)"\)')


class FilesAndGroups(LoadScopeScheduling):
    """Sends a whole group, or a whole file, to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _group_of(self.config.rootpath / file) or file


@cache
def _group_of(file: Path) -> str | None:
    """The group that the file's `pytestmark` names, if any."""
    found = _GROUP.search(file.read_text("utf-8")) if file.is_file() else None
    return found[1] if found else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    """Called by pytest-xdist in the process that hands out the tests."""
    return FilesAndGroups(config, log) if config.getoption("dist") == "loadgroup" else None
