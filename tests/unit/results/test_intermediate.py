"""Intermediate results: sent while the analysis waits, fetched by others, sealed for one node where asked."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flame_node_agent.crypto.keys import shared_key
from flame_node_agent.errors import (
    HubCredentialsRefused,
    HubError,
    HubRefused,
    HubUnavailable,
    HubUnexpected,
    TooLargeToSeal,
)
from flame_node_agent.stores.uploads import UploadKind
from flame_node_agent.wire.hub import BucketKind, Node
from tests.unit.results.conftest import BASE_URL, Endpoint, MakeEndpoint
from tests.unit.results.hub_double import seal
from tests.unit.results.multipart_samples import body, content_type, field, file
from tests.unit.settings_samples import KEY

Auth = dict[str, str]
CONTENT = bytes(range(256)) * 40
BOB = ec.derive_private_key(98765432109876543210, ec.SECP256R1())


async def _put(endpoint: Endpoint, auth: Auth, **data: str) -> httpx.Response:
    return await endpoint.client.put(
        "/intermediate", headers=auth, files={"file": ("model.pkl", CONTENT)}, data=data
    )


# PUT


@pytest.mark.parametrize("path", ["/intermediate", "/intermediate/"])
async def test_intermediate_result_can_be_fetched_by_any_analysis(
    endpoint: Endpoint, analysis: UUID, auth: Auth, path: str
) -> None:
    answer = await endpoint.client.put(path, headers=auth, files={"file": ("model.pkl", CONTENT)})
    assert answer.status_code == 200
    object_id = answer.json()["object_id"]
    assert answer.json() == {"url": f"{BASE_URL}/intermediate/{object_id}", "object_id": object_id}
    sent = endpoint.delivery.sent[0]
    assert (sent.kind, sent.analysis_id, sent.filename) == (UploadKind.INTERMEDIATE, analysis, "model.pkl")
    assert sent.bucket == endpoint.hub.buckets[analysis, BucketKind.TEMP]
    assert sent.object_key == f"outbox/{sent.upload_id}"

    another = endpoint.auth(endpoint.hub.add_analysis())
    fetched = await endpoint.client.get(httpx.URL(answer.json()["url"]).path, headers=another)
    assert (fetched.status_code, fetched.content) == (200, CONTENT)
    assert endpoint.left_behind == []


async def test_url_names_the_host_that_the_client_used(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.put(
        "/intermediate/", headers={**auth, "Host": "nginx-Analysis-1:8080"}, files={"file": b"x"}
    )
    assert answer.json()["url"] == f"http://nginx-Analysis-1:8080/intermediate/{answer.json()['object_id']}"


async def test_result_for_a_node_is_ciphertext_that_only_this_node_opens(
    endpoint: Endpoint, auth: Auth
) -> None:
    bob = endpoint.hub.add_node(BOB)
    object_id = (await _put(endpoint, auth, remote_node_id=str(bob))).json()["object_id"]
    sealed = (await endpoint.client.get(f"/intermediate/{object_id}", headers=auth)).content
    assert CONTENT not in sealed
    opened = AESGCM(shared_key(BOB, KEY.public_key())).decrypt(sealed[:12], sealed[12:], None)
    assert opened == CONTENT
    with pytest.raises(InvalidTag):
        AESGCM(shared_key(KEY, KEY.public_key())).decrypt(sealed[:12], sealed[12:], None)


async def test_node_may_be_named_behind_the_file(endpoint: Endpoint, auth: Auth) -> None:
    bob = endpoint.hub.add_node(BOB)
    sent = body(file(CONTENT), field("remote_node_id", str(bob)))
    answer = await endpoint.client.put("/intermediate", headers={**auth, **content_type()}, content=sent)
    assert endpoint.hub.files[UUID(answer.json()["object_id"])] != CONTENT


async def test_node_without_public_key_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    node = endpoint.hub.add_node(None)
    answer = await _put(endpoint, auth, remote_node_id=str(node))
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": f"Remote node with ID {node} does not provide a public key"},
    )
    assert endpoint.left_behind == []


@pytest.mark.parametrize(
    "node", ["5c5d1c6e-5d3c-4b5e-9a3f-0d3a4f1f7a10", "", "no-uuid", "../../nodes", "a\x00b"]
)
async def test_unknown_node_is_refused(endpoint: Endpoint, auth: Auth, node: str) -> None:
    answer = await _put(endpoint, auth, remote_node_id=node)
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": f"Remote node with ID {node} does not exist."},
    )
    assert endpoint.left_behind == []
    assert endpoint.hub.files == {}


@pytest.mark.parametrize(
    "key_hex", ["", "zz", "00", b"no key".hex(), b"-----BEGIN PUBLIC KEY-----\nAAAA\n".hex(), "p384"]
)
async def test_key_that_is_no_ec_key_on_our_curve_is_refused(
    endpoint: Endpoint, auth: Auth, key_hex: str
) -> None:
    node = uuid4() if key_hex != "p384" else endpoint.hub.add_node(ec.generate_private_key(ec.SECP384R1()))
    if key_hex != "p384":
        endpoint.hub.nodes[node] = Node(id=node, public_key_hex=key_hex)
    answer = await _put(endpoint, auth, remote_node_id=str(node))
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        f"The public key of remote node with ID {node} is not a valid EC key on this node's curve",
    )
    assert endpoint.left_behind == []


async def test_unknown_analysis_is_refused(endpoint: Endpoint) -> None:
    stranger = uuid4()
    answer = await _put(endpoint, endpoint.auth(stranger), remote_node_id="unknown")
    assert (answer.status_code, answer.json()) == (
        404,
        {"detail": f"Temp bucket for analysis with ID {stranger} was not found"},
    )
    assert endpoint.objects.held == {}


async def test_missing_file_is_told_before_the_unknown_analysis(endpoint: Endpoint) -> None:
    answer = await endpoint.client.put("/intermediate", headers=endpoint.auth(uuid4()), files={"other": b"x"})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "file"])


UNEXPECTED = "Hub returned an unexpected response"


@pytest.mark.parametrize(
    ("failure", "status", "detail"),
    [
        (HubUnavailable("down"), 503, "The Hub is unavailable"),
        (HubUnexpected(500), 502, f"{UNEXPECTED} (500)"),
        (HubUnexpected(None), 502, f"{UNEXPECTED} (unknown)"),
        (HubRefused(403, "permission_denied", "no"), 502, f"{UNEXPECTED} (403)"),
        (HubCredentialsRefused("no"), 502, f"{UNEXPECTED} (401)"),
        (
            HubUnexpected(201, "Expected single uploaded file to be returned by storage service, got 0"),
            502,
            "Expected single uploaded file to be returned by storage service, got 0",
        ),
        (TooLargeToSeal("too large"), 413, "The file is too large to be encrypted for another node"),
    ],
    ids=repr,
)
async def test_failure_of_the_hub_is_told_and_leaves_nothing(
    endpoint: Endpoint, auth: Auth, failure: Exception, status: int, detail: str
) -> None:
    endpoint.delivery.failure = failure
    answer = await _put(endpoint, auth)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert endpoint.objects.held == {}
    assert endpoint.left_behind == []


@pytest.mark.parametrize(("wish", "told"), [(None, "5"), (17.0, "17"), (0.2, "1")])
async def test_retry_after_is_the_wish_of_the_hub(
    endpoint: Endpoint, auth: Auth, wish: float | None, told: str
) -> None:
    endpoint.hub.failure = HubUnavailable("later", retry_after=wish)
    answer = await _put(endpoint, auth)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, told)
    assert endpoint.objects.held == {}


async def test_time_for_the_delivery_is_a_setting(make_endpoint: MakeEndpoint) -> None:
    endpoint = make_endpoint(RESULTS__INTERMEDIATE_DEADLINE_SECONDS="20")
    await _put(endpoint, endpoint.auth(endpoint.hub.add_analysis()))
    assert endpoint.delivery.deadlines[0] == pytest.approx(20, abs=1)


async def test_store_that_is_away_is_told_to_come_back(endpoint: Endpoint, auth: Auth) -> None:
    endpoint.objects.away = True
    answer = await _put(endpoint, auth)
    assert (answer.status_code, answer.json()["detail"]) == (503, "The object store is unavailable")


# GET


@pytest.mark.parametrize("query", [{}, {"node_id": "x"}])
async def test_unknown_object_is_not_found(endpoint: Endpoint, auth: Auth, query: dict[str, str]) -> None:
    unknown = uuid4()
    for path in (f"/intermediate/{unknown}", f"/intermediate/{unknown}/"):
        answer = await endpoint.client.get(path, headers=auth, params=query)
        assert (answer.status_code, answer.json()) == (
            404,
            {"detail": f"Object with ID {unknown} does not exist"},
        )


async def test_object_id_that_is_no_uuid_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    answer = await endpoint.client.get("/intermediate/no-uuid", headers=auth)
    assert answer.status_code == 422
    problem = answer.json()["detail"][0]
    assert (problem["type"], problem["loc"], problem["input"]) == (
        "uuid_parsing",
        ["path", "object_id"],
        "no-uuid",
    )


async def test_raw_bytes_have_no_content_type_and_no_length(endpoint: Endpoint, auth: Auth) -> None:
    object_id = endpoint.hub.add_file(CONTENT)
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth)
    assert answer.content == CONTENT
    assert "content-type" not in answer.headers
    assert "content-length" not in answer.headers


async def test_empty_object_is_empty(endpoint: Endpoint, auth: Auth) -> None:
    object_id = endpoint.hub.add_file(b"")
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("parameter", ["node_id", "remote_node_id"])
@pytest.mark.parametrize("size", [0, 1, 996, 997, 5000])
async def test_object_sealed_for_us_is_opened(
    endpoint: Endpoint, auth: Auth, parameter: str, size: int
) -> None:
    bob = endpoint.hub.add_node(BOB)
    sealed = seal(shared_key(BOB, KEY.public_key()), CONTENT[:size])
    object_id = endpoint.hub.add_file(sealed)
    answer = await endpoint.client.get(
        f"/intermediate/{object_id}", headers=auth, params={parameter: str(bob)}
    )
    assert (answer.status_code, answer.content) == (200, CONTENT[:size])


async def test_node_id_wins_over_its_newer_name(endpoint: Endpoint, auth: Auth) -> None:
    bob = endpoint.hub.add_node(BOB)
    object_id = endpoint.hub.add_file(seal(shared_key(BOB, KEY.public_key()), CONTENT))
    answer = await endpoint.client.get(
        f"/intermediate/{object_id}",
        headers=auth,
        params={"node_id": str(bob), "remote_node_id": str(uuid4())},
    )
    assert answer.content == CONTENT


@pytest.mark.parametrize("content", [b"", b"x" * 27, CONTENT])
async def test_object_that_the_node_has_not_sealed_for_us_is_refused(
    endpoint: Endpoint, auth: Auth, content: bytes
) -> None:
    bob = endpoint.hub.add_node(BOB)
    object_id = endpoint.hub.add_file(content)
    answer = await endpoint.client.get(
        f"/intermediate/{object_id}", headers=auth, params={"node_id": str(bob)}
    )
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": f"File with ID {object_id} cannot be decrypted under the assumption that the file was"
            f" encrypted by node {bob} for this node."
        },
    )


async def test_object_sealed_by_another_node_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    eve = endpoint.hub.add_node(ec.generate_private_key(ec.SECP256R1()))
    object_id = endpoint.hub.add_file(seal(shared_key(BOB, KEY.public_key()), CONTENT))
    answer = await endpoint.client.get(
        f"/intermediate/{object_id}", headers=auth, params={"node_id": str(eve)}
    )
    assert answer.status_code == 400
    assert f"encrypted by node {eve} for this node." in answer.json()["detail"]


@pytest.mark.parametrize("node", ["5c5d1c6e-5d3c-4b5e-9a3f-0d3a4f1f7a10", "", "no-uuid"])
async def test_unknown_sender_is_refused(endpoint: Endpoint, auth: Auth, node: str) -> None:
    object_id = endpoint.hub.add_file(CONTENT)
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth, params={"node_id": node})
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Remote node with ID {node} does not exist.",
    )


async def test_sender_without_key_or_with_a_bad_one_is_refused(endpoint: Endpoint, auth: Auth) -> None:
    object_id = endpoint.hub.add_file(CONTENT)
    silent = endpoint.hub.add_node(None)
    answer = await endpoint.client.get(
        f"/intermediate/{object_id}", headers=auth, params={"node_id": str(silent)}
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        f"Remote node with ID {silent} does not provide a public key",
    )
    other_curve = endpoint.hub.add_node(ec.generate_private_key(ec.SECP384R1()))
    answer = await endpoint.client.get(
        f"/intermediate/{object_id}", headers=auth, params={"node_id": str(other_curve)}
    )
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        f"The public key of remote node with ID {other_curve} is not a valid EC key on this node's curve",
    )


@pytest.mark.parametrize(
    ("failure", "status"),
    [(HubUnavailable("down"), 503), (HubUnexpected(500), 502), (HubRefused(403, "denied", "no"), 502)],
)
async def test_hub_that_cannot_be_asked_is_told(
    endpoint: Endpoint, auth: Auth, failure: HubError, status: int
) -> None:
    object_id = endpoint.hub.add_file(CONTENT)
    endpoint.hub.failure = failure
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth)
    assert answer.status_code == status


async def test_hub_that_fails_before_the_first_byte_is_told(endpoint: Endpoint, auth: Auth) -> None:
    object_id = endpoint.hub.add_file(CONTENT)
    endpoint.hub.fail_stream_after = 0
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth)
    assert (answer.status_code, answer.json()["detail"]) == (503, "The Hub is unavailable")


@pytest.mark.parametrize("opened", [False, True])
async def test_download_of_which_nothing_arrives_is_told(
    endpoint: Endpoint, auth: Auth, opened: bool
) -> None:
    params = {"node_id": str(endpoint.hub.add_node(BOB))} if opened else {}
    object_id = endpoint.hub.add_file(seal(shared_key(BOB, KEY.public_key()), CONTENT))
    endpoint.hub.end_stream_after = 100 if opened else 0
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth, params=params)
    assert (answer.status_code, answer.json()["detail"]) == (502, "Hub returned an unexpected response (200)")


async def test_object_that_vanishes_between_question_and_content_is_not_found(
    endpoint: Endpoint, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_id = endpoint.hub.add_file(CONTENT)

    def gone(_file_id: UUID) -> Any:
        raise HubRefused(404, "entity_not_found", "gone")

    monkeypatch.setattr(endpoint.hub, "_chunks", gone)
    answer = await endpoint.client.get(f"/intermediate/{object_id}", headers=auth)
    assert (answer.status_code, answer.json()["detail"]) == (
        404,
        f"Object with ID {object_id} does not exist",
    )
