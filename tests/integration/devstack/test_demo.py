"""`flame-node demo` when it does not come to its end: its exit codes, and that it leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flame_node_agent.devstack.demo.folder import demo_folder
from tests.integration.devstack.dev_command import running, wait_for

DEMO = [sys.executable, "-m", "flame_node_agent", "demo"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the demonstration keeps its state: with TMPDIR set, there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield tmp_path
    monkeypatch.undo()


def test_a_story_that_cannot_go_on_ends_with_the_reason(place: Path) -> None:
    script = (
        "from flame_node_agent.devstack.demo import holdings, samples\n"
        "samples._LARGE = 1 << 20\n"
        "holdings.HubHoldings.files = lambda *_: []\n"
        "from flame_node_agent.cli import main\n"
        "main()\n"
    )
    told = subprocess.run([sys.executable, "-c", script, "demo"], capture_output=True, text=True, timeout=110)
    assert told.returncode == 1
    assert "flame-node demo has failed: the hub should hold model.pkl once" in told.stderr
    assert f"logs: {place}" in told.stderr
    assert "Traceback" not in told.stderr
    assert len(list(place.glob("flame-node-demo-*"))) == 1


def test_an_interrupted_story_leaves_nothing(place: Path) -> None:
    with (place / "output").open("w") as output:
        demo = subprocess.Popen(DEMO, stdout=output, stderr=subprocess.STDOUT)
    wait_for(lambda: "PUT /final" in (place / "output").read_text(), 60)
    family = [psutil.Process(demo.pid), *psutil.Process(demo.pid).children(recursive=True)]
    assert len(family) > 4

    demo.send_signal(signal.SIGINT)

    assert demo.wait(60) == 130
    assert running(family) == []
    assert "interrupted; nothing of the demonstration is running" in (place / "output").read_text()
    assert list(place.glob("flame-node-demo-*")) == []


def test_a_killed_story_leaves_no_process_and_its_folder_only_until_the_next(place: Path) -> None:
    with (place / "output").open("w") as output:
        demo = subprocess.Popen(DEMO, stdout=output, stderr=subprocess.STDOUT)
    wait_for(lambda: "- the agent" in (place / "output").read_text(), 60)
    time.sleep(0.5)
    family = [psutil.Process(demo.pid), *psutil.Process(demo.pid).children(recursive=True)]
    demo.kill()
    demo.wait()
    wait_for(lambda: running(family) == [])
    (left,) = place.glob("flame-node-demo-*")

    with demo_folder() as folder:
        assert not left.exists()
        assert folder.exists()
