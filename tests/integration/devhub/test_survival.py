"""The hub as a process: start, clean exit, refusal to start, and what a SIGKILL leaves."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.integration.devhub.running import ANALYSIS, ROBOT_GRANT, SEED, RunningHub


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(fresh_hub: Callable[..., RunningHub], how: signal.Signals) -> None:
    assert fresh_hub("0.13").stop(how) == 0


def test_a_signal_ends_it_although_a_client_keeps_its_connection(
    fresh_hub: Callable[..., RunningHub],
) -> None:
    hub = fresh_hub("0.13")
    with httpx.Client(base_url=hub.base) as other:
        other.get("/core/nodes")
        assert hub.stop() == 0


def test_without_a_seed_it_does_not_start(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "flame_node_agent.devstack.hub",
        "--state-dir",
        str(tmp_path),
        "--port",
        "0",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "hub-seed.json" in ended.stderr


@pytest.mark.parametrize(
    "broken",
    [
        "no json",
        json.dumps({**SEED, "projects": []}),
        json.dumps({**SEED, "nodes": SEED["nodes"] + SEED["nodes"]}),
    ],
)
def test_a_seed_that_does_not_fit_together_is_told_in_one_line(tmp_path: Path, broken: str) -> None:
    (tmp_path / "hub-seed.json").write_text(broken)
    command = [
        sys.executable,
        "-m",
        "flame_node_agent.devstack.hub",
        "--state-dir",
        str(tmp_path),
        "--port",
        "0",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("the hub cannot start: ")
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_told(fresh_hub: Callable[..., RunningHub], tmp_path: Path) -> None:
    hub = fresh_hub("0.13")
    port = hub.base.rpartition(":")[2]
    command = [
        sys.executable,
        "-m",
        "flame_node_agent.devstack.hub",
        "--state-dir",
        str(tmp_path),
        "--port",
        port,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "cannot start" in ended.stderr


def test_everything_acknowledged_survives_a_kill(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.8.21")
    made = hub.new_analysis()
    headers = hub.log_in()
    for number in range(20):
        answer = hub.upload(made["buckets"]["RESULT"], f"r{number}", f"content {number}".encode(), headers)
        assert answer.status_code == 201
    hub.stop(signal.SIGKILL)
    hub.start()
    rows = {row["path"]: row for row in hub.uploads_of(made["analysis_id"])}
    assert len(rows) == 20
    for number in range(20):
        content = f"content {number}".encode()
        row = rows[f"r{number}"]
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        # The token, too, is still good.
        assert hub.http.get(f"/storage/bucket-files/{row['id']}/stream", headers=headers).content == content
    assert hub.http.get(f"/core/analyses/{ANALYSIS}", headers=headers).status_code == 200


def test_a_kill_under_load_loses_nothing_acknowledged_and_leaves_no_debris(
    fresh_hub: Callable[..., RunningHub],
) -> None:
    hub = fresh_hub("0.8.21")
    made = hub.new_analysis()
    bucket = made["buckets"]["TEMP"]
    headers = hub.log_in(ROBOT_GRANT)
    acknowledged: list[str] = []
    enough = threading.Event()

    def send(worker: int) -> None:
        with httpx.Client(base_url=hub.base, headers=headers, timeout=20) as client:
            for number in range(10_000):
                name = f"{worker}-{number}"
                try:
                    answer = client.post(
                        f"/storage/buckets/{bucket}/upload", files={"f": (name, name.encode() * 500)}
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 201
                acknowledged.append(name)
                if len(acknowledged) > 60:
                    enough.set()

    workers = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    assert enough.wait(30)
    hub.stop(signal.SIGKILL)
    for worker in workers:
        worker.join()
    hub.start()
    rows = hub.uploads_of(made["analysis_id"])
    assert set(acknowledged) <= {row["path"] for row in rows}
    for row in rows:
        assert row["sha256"] == hashlib.sha256(row["path"].encode() * 500).hexdigest()
    assert {path.name for path in (hub.state_dir / "files").iterdir()} == {row["id"] for row in rows}
    assert list((hub.state_dir / "incoming").iterdir()) == []


def test_the_seed_is_planted_once(fresh_hub: Callable[..., RunningHub]) -> None:
    hub = fresh_hub("0.8.21")
    hub.http.delete(f"/core/analyses/{ANALYSIS}", headers=hub.log_in())
    hub.stop()
    (hub.state_dir / "hub-seed.json").unlink()
    hub.start()
    assert hub.http.get(f"/core/analyses/{ANALYSIS}", headers=hub.log_in()).status_code == 404
