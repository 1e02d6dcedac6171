"""What an operator asks of a running node: what has left, what is on its way."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from flame_node_agent.devstack.nodes import NodeRegister
from flame_node_agent.devstack.testing import RunningHub
from tests.acceptance.commands import flame_node
from tests.acceptance.conftest import Analysis, NewAgent
from tests.acceptance.hub_accounts import Login
from tests.acceptance.running_agents import RunningAgent
from tests.acceptance.tcp_gates import Gate

HOLDS = re.compile(r"The ledger holds: (\d+) rows, head ([0-9a-f]{64})\n")
BROKEN, AWAY = 1, 3


def command(agent: RunningAgent, directory: Path, *arguments: str) -> str:
    """The standard output of a command that succeeds, with the settings of the agent."""
    ended = flame_node(*arguments, environment=agent.environment, directory=directory)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def exported(agent: RunningAgent, directory: Path, analysis: Analysis) -> list[dict[str, object]]:
    """The ledger's rows of one analysis."""
    lines = command(agent, directory, "ledger", "export", "--format", "jsonl").splitlines()
    rows: list[dict[str, object]] = [json.loads(line) for line in lines]
    return [row for row in rows if row["analysis_id"] == str(analysis.id)]


def test_ledger_tells_what_has_left_this_node(
    agent: RunningAgent, analysis: Analysis, nodes: NodeRegister, tmp_path: Path, file_name: str
) -> None:
    """A row for a final result and one for a sealed one, none for a local one, with all that is asked of them."""
    content, number = os.urandom(70_000), 70_000
    final = agent.http.put("/final", auth=analysis.auth, files={"file": (file_name, content)})
    agent.delivered(final, analysis.auth)
    sealed = agent.http.put(
        "/intermediate",
        auth=analysis.auth,
        files={"file": (file_name, content)},
        data={"remote_node_id": str(nodes.peer.id)},
    )
    agent.http.put("/local", auth=analysis.auth, files={"file": content}).raise_for_status()
    first, second = exported(agent, tmp_path, analysis)
    digest = hashlib.sha256(content).hexdigest()
    for row, kind in ((first, "final"), (second, "intermediate")):
        assert (row["kind"], row["name"], row["size"], row["sha256"]) == (kind, file_name, number, digest)
        assert str(row["destination"]).startswith(agent.environment["HUB__STORAGE_BASE_URL"])
    assert (first["sent_size"], first["sent_sha256"], first["sealed_for"]) == (number, digest, None)
    on_the_wire = agent.http.get(urlsplit(sealed.json()["url"]).path, auth=analysis.auth).content
    assert second["sent_size"] == len(on_the_wire)
    assert second["sent_sha256"] == hashlib.sha256(on_the_wire).hexdigest()
    assert second["sealed_for"] == str(nodes.peer.id)


def test_ledger_is_exported_as_csv_and_verified(
    any_agent: RunningAgent, analysis: Analysis, tmp_path: Path
) -> None:
    """Both exports have the same rows; the chain holds, and still has the head that was noted before."""
    noted = HOLDS.fullmatch(command(any_agent, tmp_path, "ledger", "verify"))
    assert noted
    answer = any_agent.http.put("/final", auth=analysis.auth, files={"file": ("=formula()", b"content")})
    any_agent.delivered(answer, analysis.auth)
    arguments = [] if noted[1] == "0" else ["--expect-head", noted[2]]
    verified = HOLDS.fullmatch(command(any_agent, tmp_path, "ledger", "verify", *arguments))
    assert verified
    assert int(verified[1]) == int(noted[1]) + 1
    rows = list(csv.DictReader(io.StringIO(command(any_agent, tmp_path, "ledger", "export"))))
    (own,) = [row for row in rows if row["analysis_id"] == str(analysis.id)]
    assert len(rows) == int(verified[1])
    assert own["name"] == "'=formula()"
    assert own["row_hash"] == verified[2]
    assert exported(any_agent, tmp_path, analysis)[0]["name"] == "=formula()"


def test_tampering_with_the_ledger_is_prevented_and_shows(
    new_agent: NewAgent, login: Login, analysis: Analysis, tmp_path: Path
) -> None:
    """The database refuses a change; one made behind its back breaks the chain, and the command says where."""
    agent = new_agent(login).start()
    for _ in range(3):
        answer = agent.http.put("/final", auth=analysis.auth, files={"file": os.urandom(10)})
        agent.delivered(answer, analysis.auth)
    with psycopg.connect(agent.database.dsn, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute("DELETE FROM egress_ledger WHERE seq = 2")
        connection.execute("ALTER TABLE egress_ledger DISABLE TRIGGER ALL")
        connection.execute("UPDATE egress_ledger SET size = size + 1 WHERE seq = 2")
    ended = flame_node("ledger", "verify", environment=agent.environment, directory=tmp_path)
    assert ended.returncode == BROKEN
    assert "2" in ended.stderr


def test_outbox_lists_uploads_with_state_and_reason(
    any_agent: RunningAgent, analysis: Analysis, development_hub: RunningHub, tmp_path: Path, file_name: str
) -> None:
    """One that was delivered, and one that the hub has refused for good."""
    answer = any_agent.http.put("/final", auth=analysis.auth, files={"file": (file_name, b"content")})
    delivered = any_agent.delivered(answer, analysis.auth)
    listed = command(any_agent, tmp_path, "outbox", "list", "--limit", "1000")
    (line,) = [line for line in listed.splitlines() if delivered["upload_id"] in line]
    assert line.split()[:7] == [
        delivered["upload_id"],
        "final",
        str(analysis.id),
        file_name,
        "7",
        "delivered",
        "1",
    ]
    development_hub.fault(match="POST /storage/buckets/*", status=400)
    answer = any_agent.http.put("/final", auth=analysis.auth, files={"file": (file_name, b"refused")})
    failed = any_agent.settled(answer, analysis.auth)
    assert failed["state"] == "failed"
    listed = command(any_agent, tmp_path, "outbox", "list", "--state", "failed")
    (line,) = [line for line in listed.splitlines() if failed["upload_id"] in line]
    assert "400" in line
    development_hub.clear_faults()
    command(any_agent, tmp_path, "outbox", "retry", failed["upload_id"])
    any_agent.delivered(answer, analysis.auth)


def test_retry_of_an_unknown_upload_is_refused(any_agent: RunningAgent, tmp_path: Path) -> None:
    unknown = str(uuid.uuid4())
    ended = flame_node("outbox", "retry", unknown, environment=any_agent.environment, directory=tmp_path)
    assert ended.returncode == 1
    assert unknown in ended.stderr


def test_database_that_is_away_ends_a_command_with_one_line(any_agent: RunningAgent, tmp_path: Path) -> None:
    closed = {"POSTGRES__PORT": str(Gate(0).port)}
    ended = flame_node("ledger", "verify", environment=any_agent.environment | closed, directory=tmp_path)
    assert ended.returncode == AWAY
    assert "POSTGRES__HOST" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert any_agent.environment["POSTGRES__PASSWORD"] not in ended.stderr
