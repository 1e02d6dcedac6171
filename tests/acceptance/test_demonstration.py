"""The demonstration as `make demo` runs it, at its full size."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.acceptance.commands import flame_node

LIMIT_SECONDS = 90.0


@pytest.mark.timeout(LIMIT_SECONDS + 60)
def test_demonstration_succeeds_in_time_and_shows_that_everything_matches(tmp_path: Path) -> None:
    """Exit code 0; every file is held as sent, the one of 256 MiB among them; every query came to what it must."""
    started = time.monotonic()
    ended = flame_node(
        "demo", environment={"TMPDIR": str(tmp_path)}, directory=tmp_path, seconds=LIMIT_SECONDS
    )
    assert ended.returncode == 0, ended.stdout[-2_000:] + ended.stderr[-2_000:]
    assert time.monotonic() - started < LIMIT_SECONDS
    rows = [line for line in ended.stdout.splitlines() if line.rstrip().endswith((" same", " DIFF"))]
    assert {re.split(r" {2,}", row)[0] for row in rows} >= {"model.pkl", "coefficients.csv", "embeddings.bin"}
    assert [row for row in rows if "DIFF" in row] == []
    assert {route for row in rows for route in ("/final", "/local", "/intermediate") if route in row} == {
        "/final",
        "/local",
        "/intermediate",
    }
    assert any("256.0 MiB" in row for row in rows)
    judged = [
        line.split() for line in ended.stdout.splitlines() if line.rstrip().endswith((" right", " WRONG"))
    ]
    assert [(row[0], row[-1]) for row in judged] == [
        ("respiratory", "right"),
        ("rare-disease", "right"),
        ("hostile", "right"),
    ]
    lines = ended.stdout.splitlines()
    assert len([line for line in lines if re.match(r"\d\. ", line)]) == 8
    assert lines[-1].startswith(
        "10 of 10 files are held exactly as they were sent, 3 of 3 queries came to what they must"
    ), lines[-1]
    assert "\x1b" not in ended.stdout
    assert list(tmp_path.iterdir()) == []
