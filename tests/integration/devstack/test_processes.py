"""Child processes: none outlives the one who started it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from flame_node_agent.devstack.processes import Child, StackError, clean_environment

STUBBORN = "trap '' TERM INT HUP; echo started; while :; do sleep 0.05; done"


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether no such process runs; one that is dead but not collected does not run."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def shell(script: str, tmp_path: Path) -> Child:
    log, environment = tmp_path / "child.log", clean_environment()
    return Child.start("a child", ["/bin/sh", "-c", script], log=log, environment=environment)


def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    parent_script = textwrap.dedent(
        f"""
        import pathlib, time
        from flame_node_agent.devstack.processes import Child, clean_environment
        child = Child.start("child", ["/bin/sh", "-c", {STUBBORN!r}], log=pathlib.Path({str(tmp_path / "log")!r}),
                            environment=clean_environment())
        print(child.pid, flush=True)
        time.sleep(600)
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    wait_for(lambda: (tmp_path / "log").read_text() == "started\n")
    assert not gone(pid)

    parent.kill()
    parent.wait()

    wait_for(lambda: gone(pid))


def test_a_child_that_will_not_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = shell(STUBBORN, tmp_path)
    child.wait_until(lambda: "started" in child.log_tail(), seconds=10)
    begun = time.monotonic()
    child.stop(grace_seconds=0.3)
    assert child.exit_code == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - begun < 5


def test_a_child_is_asked_before_it_is_killed(tmp_path: Path) -> None:
    child = shell("trap 'exit 7' TERM; echo started; while :; do sleep 0.05; done", tmp_path)
    child.wait_until(lambda: "started" in child.log_tail(), seconds=10)
    child.stop()
    assert child.ending() == "exit code 7"


def test_what_a_child_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    child = shell("sleep 600 & echo $!; exit 0", tmp_path)
    wait_for(lambda: not child.alive)
    grandchild = int(child.log_tail())
    wait_for(lambda: gone(grandchild))


def test_ctrl_c_on_the_terminal_does_not_reach_a_child(tmp_path: Path) -> None:
    child = shell("sleep 600", tmp_path)
    try:
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
        assert os.getsid(child.pid) != os.getsid(0)
    finally:
        child.kill()


def test_a_child_sees_the_given_environment_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB__AUTH__SECRET", "of somebody's own")
    child = Child.start(
        "env", ["/usr/bin/env"], log=tmp_path / "log", environment=clean_environment(EXTRA="yes")
    )
    wait_for(lambda: not child.alive)
    assert "EXTRA=yes" in child.log_tail()
    assert "HUB__AUTH__SECRET" not in (tmp_path / "log").read_text()


def test_the_end_of_a_child_that_should_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = shell("echo the disk is full; exit 3", tmp_path)
    with pytest.raises(StackError, match=r"(?s)ended while starting \(exit code 3\).*the disk is full"):
        child.wait_until(lambda: False, seconds=10)


def test_a_child_that_is_never_ready_is_told(tmp_path: Path) -> None:
    child = shell("sleep 600", tmp_path)
    try:
        with pytest.raises(StackError, match="was not ready within 0 s"):
            child.wait_until(lambda: False, seconds=0.1)
    finally:
        child.kill()


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"nobody cannot be started.*no-such-program"):
        Child.start("nobody", ["/no-such-program"], log=tmp_path / "log", environment={})
