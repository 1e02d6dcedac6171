"""What must never reach a log, in whatever form it tries to."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, quote_plus
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from flame_node_agent.config.settings import known_variables, load_settings
from flame_node_agent.telemetry.redaction import MASK, Redaction, secrets_in
from tests.unit.settings_samples import EVERY_SECRET, encrypted_pem, private_pem

TELLING_KEYS = [
    "password",
    "db_password",
    "Authorization",
    "proxy-authorization",
    "secret",
    "clientSecret",
    "access_token",
    "token",
    "Set-Cookie",
    "api_key",
    "private_key",
]
JWT = ".".join(
    base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    for part in (b'{"alg":"RS256"}', b'{"client_id":"analysis"}', b"signature-of-32-bytes-or-more....")
)

QUOTED = 'it\'s a "pässword" \\-4711'
"""Every way of quoting changes it."""

SETTINGS = [
    load_settings(EVERY_SECRET | auth, env_file=None)
    for auth in (
        {},
        {"HUB__AUTH__FLOW": "client", "HUB__AUTH__SECRET": "client-secret-4711"},
        {
            "HUB__AUTH__FLOW": "password",
            "HUB__AUTH__USERNAME": "u",
            "HUB__AUTH__PASSWORD": QUOTED,
        },
    )
]
SECRETS = {secret for settings in SETTINGS for secret in secrets_in(settings)}
REDACTION = Redaction(SECRETS)


def redacted(**event: object) -> dict[str, object]:
    return dict(REDACTION(None, "info", {"event": "thing.happened", **event}))


def test_every_secret_variable_is_known_to_the_redaction() -> None:
    given = EVERY_SECRET | {
        "HUB__AUTH__SECRET": "client-secret-4711",
        "HUB__AUTH__PASSWORD": QUOTED,
    }
    assert {given[variable.name] for variable in known_variables() if variable.secret} <= SECRETS


SPELLINGS = {
    "as it is": str,
    "repr": lambda secret: repr(secret)[1:-1],
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON in UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    "in a query": quote_plus,
    "in a path": quote,
    "in a host": lambda secret: quote(secret, safe=""),
}
PLACES = {
    "alone": str,
    "in a sentence": lambda secret: f"connection to {secret}@database refused",
    "in bytes": lambda secret: secret.encode(),
    "deep inside": lambda secret: [1, {"deep": (secret,)}],
    "as a key": lambda secret: {secret: "value"},
    "in an error": lambda secret: ValueError(f"could not use {secret}"),
    "in a path": lambda secret: Path(f"/run/{secret}/file"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("place", PLACES)
def test_every_secret_of_the_settings_is_masked(spelling: str, place: str) -> None:
    for secret in SECRETS:
        value = PLACES[place](SPELLINGS[spelling](secret))
        for shown in (redacted(value=value), redacted(event=value)):
            printed = repr(shown) + json.dumps(shown) + str(shown.get("value", "")) + str(shown["event"])
            assert not [name for name, spell in SPELLINGS.items() if spell(secret) in printed]
            assert MASK in printed


def test_password_inside_a_proxy_url_is_masked_by_itself() -> None:
    for password in ("proxy-secret-4711", "t%40ls-secret%2F4711", "t@ls-secret/4711"):
        assert redacted(value=f"407 for {password}")["value"] == "407 for ***"


def test_single_line_of_the_private_key_is_masked() -> None:
    line = private_pem().splitlines()[1]
    assert redacted(value=f"bad base64: {line}")["value"] == "bad base64: ***"


@pytest.mark.parametrize("secret", ["a", "flame", "admin12"])
def test_short_secret_is_masked_where_it_stands_alone_and_leaves_other_words_readable(secret: str) -> None:
    redaction = Redaction([secret])
    assert redaction.text(f"user:{secret}@host {secret}. '{secret}'") == "user:***@host ***. '***'"
    assert redaction.text(f"x{secret}y {secret}_node") == f"x{secret}y {secret}_node"


def test_secret_inside_another_secret_does_not_save_the_rest_of_it() -> None:
    assert Redaction(["long-secret", "long-secret-and-more"]).text("long-secret-and-more") == MASK


@pytest.mark.parametrize(
    "text",
    [
        f"token {JWT} rejected",
        f"Authorization: Bearer {JWT}",
        f"{{'Authorization': 'Bearer {JWT}'}}",
        f"GET /x?access_token={JWT}&y=1",
        f"prefix{JWT}",
        f"{JWT}.fourth.fifth",
    ],
)
def test_token_of_an_analysis_is_masked(text: str) -> None:
    shown = str(redacted(value=text)["value"])
    for part in JWT.split("."):
        assert part not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: ***"),
        ("authorization=opaque", "authorization=***"),
        ('{"authorization": "Bearer abc"}', '{"authorization": "***"}'),
        ("sent bearer 0123456789abcdef to it", "sent bearer *** to it"),
        ("Proxy-Authorization: Basic Zm9vOmJhcg==", "Proxy-Authorization: ***"),
        ("http://user:pa55@proxy:3128/x", "http://user:***@proxy:3128/x"),
        ("postgresql://flame:p@ss@db/flame", "postgresql://flame:***@db/flame"),
        ("host=db password=hunter2 user=flame", "host=db password=*** user=flame"),
        ("host=db password='hunter 2' user=flame", "host=db password=*** user=flame"),
        ('{"client_secret": "hunter2", "id": 1}', '{"client_secret": ***, "id": 1}'),
        ('{"refreshToken":"hunter2"}', '{"refreshToken":***}'),
        ('{\\"access_token\\":\\"hunter2\\",\\"n\\":1}', '{\\"access_token\\":***,\\"n\\":1}'),
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str, shown: str) -> None:
    assert redacted(value=text)["value"] == shown


@pytest.mark.parametrize(
    "pem",
    [private_pem(), encrypted_pem(), private_pem().replace("\n", "\\n")],
    ids=["plain", "encrypted", "escaped line breaks"],
)
def test_any_private_key_is_masked(pem: str) -> None:
    redaction = Redaction(())
    assert redaction.text(f"key: {pem}") in {"key: ***\n", "key: ***", "key: ***\\n"}
    assert redaction.text(f"key: {pem[:100]}") == "key: ***"


@pytest.mark.parametrize("key", TELLING_KEYS)
def test_value_under_a_telling_key_is_masked(key: str) -> None:
    assert redacted(**{key: "opaque"})[key] == MASK
    assert redacted(headers={key: ["opaque"]})["headers"] == {key: MASK}


def test_secret_string_of_pydantic_stays_hidden() -> None:
    assert "hunter2" not in repr(redacted(value=SecretStr("hunter2")))


def test_everything_else_stays_as_it_is() -> None:
    event = {
        "event": "upload.delivered",
        "level": "info",
        "timestamp": "2026-11-21T12:00:00Z",
        "bytes": 5,
        "seconds": 0.5,
        "again": False,
        "tag": None,
        "tokens": 3,
        "public_key": "-----BEGIN PUBLIC KEY-----",
        "text": "the bearer token is missing; basic rules; http://host:8080/a@b",
        "ids": ["3fa85f64-5717-4562-b3fc-2c963f66afa6"],
    }
    assert REDACTION(None, "info", dict(event)) == event


def test_values_that_json_does_not_know_become_text() -> None:
    shown = redacted(
        id=UUID(int=1),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        path=Path("/a"),
        names={"x"},
        error=OSError(5, "no"),
    )
    assert shown == {
        "event": "thing.happened",
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-01-01 00:00:00+00:00",
        "path": "/a",
        "names": ["x"],
        "error": "OSError: [Errno 5] no",
    }


@given(
    secret=st.text(min_size=8).filter(lambda text: text not in MASK),
    before=st.text(),
    after=st.text(),
)
def test_no_secret_survives_wherever_it_stands(secret: str, before: str, after: str) -> None:
    shown = Redaction([secret]).text(before + secret + after)
    # What the mask and its surroundings form anew is no leak: the secret itself is gone.
    assert secret not in shown.replace(MASK, "\0") or secret in (before + "\0" + after)


@given(
    st.recursive(
        st.none() | st.floats() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner)
        ),
    )
)
def test_any_value_can_be_redacted_and_written_as_json(value: object) -> None:
    json.dumps(redacted(value=value))


@pytest.mark.parametrize(
    "piece", ["eyJaaaaa", "a.", "://a:", 'password="', "-----BEGIN PRIVATE KEY-----", "bearer "]
)
def test_hostile_text_is_redacted_in_linear_time(piece: str) -> None:
    started = time.perf_counter()
    REDACTION.text(piece * 20_000)
    assert time.perf_counter() - started < 2
