"""`flame-node dev`, from the outside: its ready file, what it promises when parts are killed, and its end."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flame_node_agent.devstack.s3 import S3Access
from tests.integration.devstack.dev_command import Caller, DevCommand, running, wait_for


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCommand]:
    command = DevCommand(tmp_path_factory.mktemp("dev"))
    yield command
    if command.process.poll() is None:
        command.end()


@pytest.fixture
def ready(dev: DevCommand) -> dict[str, Any]:
    return dev.ready()


@pytest.fixture
def callers(ready: dict[str, Any]) -> Iterator[list[Caller]]:
    found = [Caller(ready["result_url"], analysis["token"]) for analysis in ready["analyses"]]
    yield found
    for caller in found:
        caller.http.close()


def hub_uploads(ready: dict[str, Any]) -> list[dict[str, Any]]:
    answer = httpx.get(f"{ready['hub']['admin_url']}/uploads", trust_env=False)
    return list(answer.raise_for_status().json())


def test_the_ready_file_holds_exactly_what_is_promised(dev: DevCommand, ready: dict[str, Any]) -> None:
    shape = {
        key: sorted(value) if isinstance(value, dict) else type(value).__name__
        for key, value in ready.items()
    }
    assert shape == {
        "result_url": "str",
        "hub": ["admin_url", "auth_url", "core_url", "storage_url"],
        "oidc": ["certs_url", "issuer", "token_url"],
        "s3": ["access_key", "bucket", "endpoint", "region", "secret_key"],
        "postgres": ["dsn"],
        "task_hub": [
            "aes_key_base64",
            "api_url",
            "internal_service_key",
            "trust_api_key",
            "trust_id",
            "trust_name",
        ],
        "data_access_url": "str",
        "omop": ["dsn", "reader_dsn"],
        "analyses": "list",
        "own_public_key_pem": "str",
        "nodes": "list",
        "hub_adapter_token": "str",
        "pids": ["agent", "data_access", "hub", "postgres", "s3"],
        "restart": "list",
    }
    assert [sorted(entry) for entry in ready["analyses"]] == [["analysis_id", "project_id", "token"]] * 3
    assert [sorted(entry) for entry in ready["nodes"]] == [["curve", "id", "private_key_pem"]] * 2
    assert stat.S_IMODE(dev.ready_file.stat().st_mode) == 0o600


def test_two_analyses_share_a_project_and_one_has_another(ready: dict[str, Any]) -> None:
    projects = [analysis["project_id"] for analysis in ready["analyses"]]
    assert projects[0] == projects[1] != projects[2]


def test_the_pids_are_those_of_running_children(dev: DevCommand, ready: dict[str, Any]) -> None:
    children = {process.pid for process in dev.family()[1:]}
    assert set(ready["pids"].values()) <= children


def test_one_node_is_on_our_curve_and_one_on_another(ready: dict[str, Any]) -> None:
    own = serialization.load_pem_public_key(ready["own_public_key_pem"].encode())
    keys = [serialization.load_pem_private_key(n["private_key_pem"].encode(), None) for n in ready["nodes"]]
    assert isinstance(own, ec.EllipticCurvePublicKey)
    curves = [key.curve.name for key in keys if isinstance(key, ec.EllipticCurvePrivateKey)]
    assert curves == [node["curve"] for node in ready["nodes"]]
    assert curves[0] == own.curve.name != curves[1]


def test_a_final_result_arrives_at_the_hub(ready: dict[str, Any], callers: list[Caller]) -> None:
    content = uuid.uuid4().bytes
    assert callers[0].put("/final", content).status_code == 204
    analysis = ready["analyses"][0]["analysis_id"]
    wait_for(
        lambda: [
            file
            for file in hub_uploads(ready)
            if file["analysis_id"] == analysis and file["kind"] == "RESULT" and file["linked"]
        ]
    )


def test_a_local_result_is_seen_by_its_project_only(callers: list[Caller]) -> None:
    path = httpx.URL(callers[0].put("/local", b"local").json()["url"]).path
    assert callers[1].http.get(path).content == b"local"
    assert callers[2].http.get(path).status_code == 404


def test_a_result_is_sealed_for_a_node_on_our_curve_only(
    ready: dict[str, Any], callers: list[Caller]
) -> None:
    same, other = (node["id"] for node in ready["nodes"])
    assert callers[0].put("/intermediate", b"sealed", remote_node_id=same).status_code == 200
    assert callers[0].put("/intermediate", b"sealed", remote_node_id=other).status_code == 400


def test_the_hub_adapter_may_delete_projects_that_the_hub_has_forgotten(ready: dict[str, Any]) -> None:
    adapter = Caller(ready["result_url"], ready["hub_adapter_token"])
    with adapter.http as http:
        project = ready["analyses"][0]["project_id"]
        assert http.delete("/local", params={"project_id": project}).status_code == 400
        assert http.delete("/local", params={"project_id": str(uuid.uuid4())}).status_code == 200


async def test_the_stores_are_open_to_a_look(ready: dict[str, Any]) -> None:
    with psycopg.connect(ready["postgres"]["dsn"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("flame",)
    async with S3Access(**ready["s3"]).client() as client:
        assert await client.bucket_exists(ready["s3"]["bucket"])


def test_a_token_of_the_token_url_is_as_good(ready: dict[str, Any]) -> None:
    analysis = ready["analyses"][0]["analysis_id"]
    form = {"grant_type": "client_credentials", "client_id": analysis, "client_secret": "chosen here"}
    token = httpx.post(ready["oidc"]["token_url"], data=form, trust_env=False).json()["access_token"]
    with Caller(ready["result_url"], token).http as http:
        assert http.get("/local/tags").status_code == 200


def test_a_second_stack_on_the_same_state_is_refused(
    dev: DevCommand, ready: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "state").symlink_to(dev.ready_file.parent / "state")
    second = DevCommand(tmp_path)
    assert second.process.wait(30) == 1
    assert "another development stack runs in" in second.output
    assert dev.process.poll() is None


def test_a_killed_agent_stays_dead_until_the_restart_command(
    dev: DevCommand, ready: dict[str, Any], callers: list[Caller]
) -> None:
    os.kill(ready["pids"]["agent"], signal.SIGKILL)
    wait_for(lambda: "is not restarted" in dev.output)
    with pytest.raises(httpx.ConnectError):
        callers[0].http.get("/healthz")
    assert not psutil.pid_exists(ready["pids"]["agent"])
    assert httpx.get(f"{ready['hub']['admin_url']}/uploads", trust_env=False).is_success

    agent = subprocess.Popen(
        ready["restart"], env={}, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: answers(f"{ready['result_url']}/readyz"))
        assert callers[0].put("/final", b"after the restart").status_code == 204
    finally:
        agent.terminate()
        assert agent.wait(30) == 0


def test_what_else_was_killed_comes_back_on_request(dev: DevCommand, ready: dict[str, Any]) -> None:
    pids, held = ready["pids"], hub_uploads(ready)
    for name, said in (("hub", "the development hub (pid"), ("data_access", "data-access-api (pid")):
        os.kill(pids[name], signal.SIGKILL)
        wait_for(lambda said=said: said in dev.output and "kill -USR1" in dev.output)
    dev.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: dev.ready()["pids"]["hub"] != pids["hub"], 60)
    assert dev.ready()["pids"]["data_access"] != pids["data_access"]
    assert hub_uploads(dev.ready()) == held
    assert answers(f"{ready['data_access_url']}/health")


def test_state_and_addresses_outlive_the_command(dev: DevCommand, ready: dict[str, Any]) -> None:
    """Comes last: it ends the stack that the tests above share."""
    family = dev.family()
    uploads = hub_uploads(ready)
    assert dev.end(signal.SIGINT) == 0
    assert running(family) == []
    assert not dev.ready_file.exists()
    assert "nothing of the stack is running any more" in dev.output

    again = DevCommand(dev.ready_file.parent, "--hub-profile", "0.13", "--omop-persons", "500")
    try:
        now = again.ready()
        fleeting = {"pids", "analyses", "hub_adapter_token"}
        assert {k: v for k, v in now.items() if k not in fleeting} == {
            k: v for k, v in ready.items() if k not in fleeting
        }
        kept = {file["id"] for file in uploads}
        assert [file["sha256"] for file in hub_uploads(now) if file["id"] in kept] == [
            file["sha256"] for file in uploads
        ]
        with psycopg.connect(now["omop"]["reader_dsn"]) as connection:
            assert connection.execute("SELECT count(*) FROM omop.person").fetchone() == (500,)
        with Caller(now["result_url"], ready["analyses"][0]["token"]).http as http:
            assert http.get("/local/tags").status_code == 200
        with Caller(now["result_url"], now["analyses"][2]["token"]).http as http:
            accepted = http.put("/final", files={"file": ("upgraded.csv", b"a newer hub")})
        assert accepted.status_code == 204
        wait_for(lambda: "upgraded.csv" in {file["path"] for file in hub_uploads(now)})
        family = again.family()
    finally:
        again.end(signal.SIGKILL)
    wait_for(lambda: running(family) == [])


def test_an_unknown_hub_profile_is_named(tmp_path: Path) -> None:
    command = DevCommand(tmp_path, "--hub-profile", "1.0")
    assert command.process.wait(30) == 2
    assert "0.8.21" in command.output
    assert "1.0" in command.output


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False
