"""Following an accepted result, and the size a node may limit results to."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator

from tests.acceptance.conftest import Analysis, NewAgent, NewAnalysis
from tests.acceptance.hub_accounts import Login
from tests.acceptance.running_agents import UPLOAD_ID, RunningAgent

LIMIT = 100_000


def test_state_of_an_upload_is_told_to_its_analysis_only(
    agent: RunningAgent, analysis: Analysis, new_analysis: NewAnalysis, file_name: str
) -> None:
    """With name, size and hash of what was sent, and the hub's id once it is there; to others it does not exist."""
    content = os.urandom(10_000)
    answer = agent.http.put("/final/", auth=analysis.auth, files={"file": (file_name, content)})
    upload_id = answer.headers[UPLOAD_ID]
    upload = agent.delivered(answer, analysis.auth)
    assert upload["upload_id"] == upload_id
    assert (upload["filename"], upload["size"]) == (file_name, len(content))
    assert upload["sha256"] == hashlib.sha256(content).hexdigest()
    assert upload["last_error"] is None
    assert uuid.UUID(upload["object_id"])
    assert upload["finished_at"] > upload["created_at"]
    for auth in (new_analysis(analysis.project_id).auth, new_analysis().auth):
        stranger = agent.http.get(f"/uploads/{upload_id}", auth=auth)
        assert stranger.status_code == 404
        assert stranger.json() == {"detail": f"Upload with ID {upload_id} does not exist"}


def test_file_beyond_the_nodes_limit_is_refused_and_leaves_nothing(
    new_agent: NewAgent, login: Login, analysis: Analysis
) -> None:
    """Announced as too large or only found so on the way; what is just within the limit is taken."""
    agent = new_agent(login, RESULTS__MAX_UPLOAD_BYTES=str(LIMIT)).start()
    for path in ("/final", "/intermediate", "/local"):
        announced = agent.http.put(path, auth=analysis.auth, files={"file": bytes(LIMIT + 1)})
        assert announced.status_code == 413, path
        assert announced.json() == {
            "detail": f"The file is larger than the {LIMIT} bytes that this node accepts"
        }
        streamed = agent.http.put(
            path,
            auth=analysis.auth,
            content=form_of(50),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        assert streamed.status_code == 413, path
    agent.await_emptied("")
    accepted = agent.http.put("/local", auth=analysis.auth, files={"file": bytes(LIMIT)})
    assert accepted.status_code == 200


def form_of(pieces: int) -> Iterator[bytes]:
    """A form of unknown length with one file of ten thousand bytes a piece."""
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    for _ in range(pieces):
        yield bytes(10_000)
    yield b"\r\n--x--\r\n"
