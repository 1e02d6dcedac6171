"""How far an accepted result has come."""

from __future__ import annotations

import hashlib
from uuid import UUID, uuid4

import pytest

from tests.unit.results.conftest import Endpoint

Auth = dict[str, str]


@pytest.fixture
async def upload_id(endpoint: Endpoint, auth: Auth) -> str:
    answer = await endpoint.client.put("/final", headers=auth, files={"file": ("a.csv", b"content")})
    return answer.headers["X-Upload-Id"]


async def test_accepted_result_is_waiting(endpoint: Endpoint, auth: Auth, upload_id: str) -> None:
    for path in (f"/uploads/{upload_id}", f"/uploads/{upload_id}/"):
        answer = await endpoint.client.get(path, headers=auth)
        assert answer.status_code == 200
        state = answer.json()
        assert state.pop("created_at")
        assert state == {
            "upload_id": upload_id,
            "state": "waiting",
            "attempts": 0,
            "last_error": None,
            "filename": "a.csv",
            "size": 7,
            "sha256": hashlib.sha256(b"content").hexdigest(),
            "object_id": None,
            "finished_at": None,
        }


async def test_delivered_result_names_its_file_at_the_hub(
    endpoint: Endpoint, auth: Auth, upload_id: str
) -> None:
    hub_file = uuid4()
    endpoint.outbox.deliver(UUID(upload_id), hub_file)
    state = (await endpoint.client.get(f"/uploads/{upload_id}", headers=auth)).json()
    assert (state["state"], state["object_id"], state["attempts"]) == ("delivered", str(hub_file), 2)
    assert state["finished_at"]


async def test_upload_of_another_analysis_is_as_unknown_as_none(endpoint: Endpoint, upload_id: str) -> None:
    for caller in (str(endpoint.hub.add_analysis()), "hub-adapter"):
        for wanted in (upload_id, str(uuid4())):
            answer = await endpoint.client.get(f"/uploads/{wanted}", headers=endpoint.auth(caller))
            assert (answer.status_code, answer.json()) == (
                404,
                {"detail": f"Upload with ID {wanted} does not exist"},
            )


async def test_upload_id_that_is_no_uuid_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    assert (await endpoint.client.get("/uploads/no-uuid", headers=auth)).status_code == 422


async def test_database_that_is_away_is_told(endpoint: Endpoint, auth: Auth, upload_id: str) -> None:
    endpoint.staging.database_away = True
    answer = await endpoint.client.get(f"/uploads/{upload_id}", headers=auth)
    assert (answer.status_code, answer.json()["detail"]) == (503, "The database is unavailable")
