"""Wrong settings: one line per variable that names it and what it accepts, and never shows a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.config.settings import known_variables, load_settings
from flame_node_agent.errors import SettingsError, SettingsProblem
from tests.unit.settings_samples import COMPLETE, EVERY_SECRET, certificate_pem, without

ACCEPTS = {variable.name: variable.accepts for variable in known_variables()}


def problems(given: dict[str, str]) -> list[SettingsProblem]:
    with pytest.raises(SettingsError) as caught:
        load_settings(given, env_file=None)
    return caught.value.problems


def problem(**given: str) -> SettingsProblem:
    (only,) = problems(COMPLETE | given)
    return only


def test_every_missing_variable_is_told_once() -> None:
    assert [(p.variable, p.problem) for p in problems({})] == [
        (variable.name, f"is missing; accepts {variable.accepts}")
        for variable in known_variables()
        if variable.required
    ]


@pytest.mark.parametrize("name", sorted(COMPLETE))
def test_each_required_variable_is_missed_alone(name: str) -> None:
    (only,) = problems(without(name))
    assert only.variable == name
    assert only.problem.startswith("is missing")
    assert only.problem.endswith(f"accepts {ACCEPTS[name]}")


@pytest.mark.parametrize(
    ("flow", "missing"),
    [
        ("password", ["HUB__AUTH__USERNAME", "HUB__AUTH__PASSWORD"]),
        ("robot", ["HUB__AUTH__ID", "HUB__AUTH__SECRET"]),
        ("client", ["HUB__AUTH__ID", "HUB__AUTH__SECRET"]),
    ],
)
def test_credentials_that_the_chosen_flow_needs_are_missed(flow: str, missing: list[str]) -> None:
    found = problems(without("HUB__AUTH__ID", "HUB__AUTH__SECRET") | {"HUB__AUTH__FLOW": flow})
    assert [p.variable for p in found] == missing
    assert all(p.problem.startswith("is missing, and is needed when HUB__AUTH__FLOW is") for p in found)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("HUB__AUTH__FLOW", "oauth", "is not valid"),
        ("HUB__CORE_BASE_URL", "core.privateaim.net", "is not valid"),
        ("HUB__CORE_BASE_URL", "ftp://core.privateaim.net", "is not valid"),
        ("HUB__AUTH_BASE_URL", "https://user:pw@auth.privateaim.net", "holds credentials"),
        ("HUB__STORAGE_BASE_URL", "https://storage.privateaim.net/?a=b", "holds a query or a fragment"),
        ("OIDC__CERTS_URL", "my.idp.org/certs", "is not valid"),
        (
            "MINIO__ENDPOINT",
            "http://minio:9000",
            "starts with a scheme (MINIO__USE_SSL says whether to use https)",
        ),
        ("MINIO__ENDPOINT", "minio:9000/flame", "holds more than a host and a port"),
        ("MINIO__ENDPOINT", "user@minio:9000", "holds more than a host and a port"),
        ("MINIO__ENDPOINT", "minio:90000", "is not a host and a port"),
        ("MINIO__ENDPOINT", "minio:0", "is not a host and a port"),
        ("MINIO__ENDPOINT", "minio:", "is not a host and a port"),
        ("MINIO__ENDPOINT", "minio:port", "is not a host and a port"),
        ("MINIO__ENDPOINT", ":9000", "is not a host and a port"),
        ("MINIO__ENDPOINT", "mi nio:9000", "is not a host and a port"),
        ("MINIO__BUCKET", "ab", "is not a valid bucket name"),
        ("MINIO__BUCKET", "a" * 64, "is not a valid bucket name"),
        ("MINIO__BUCKET", "Flame", "is not a valid bucket name"),
        ("MINIO__BUCKET", "flame_results", "is not a valid bucket name"),
        ("MINIO__BUCKET", "-flame", "is not a valid bucket name"),
        ("MINIO__BUCKET", "flame..results", "is not a valid bucket name"),
        ("MINIO__BUCKET", "flame.-results", "is not a valid bucket name"),
        ("MINIO__BUCKET", "192.168.5.4", "is not a valid bucket name"),
        ("MINIO__BUCKET", "xn--flame", "is not a valid bucket name"),
        ("MINIO__BUCKET", "flame-s3alias", "is not a valid bucket name"),
        ("MINIO__REGION", "us east", "is not a valid region"),
        ("MINIO__USE_SSL", "maybe", "is not valid"),
        ("MINIO__SECRET_KEY", "secret\n", "holds a line break or another control character"),
        ("POSTGRES__PORT", "0", "is not valid"),
        ("POSTGRES__PORT", "65536", "is not valid"),
        ("POSTGRES__PORT", "postgres", "is not valid"),
        ("POSTGRES__MAX_CONNECTIONS", "0", "is not valid"),
        ("POSTGRES__DB", "flame\n", "holds a line break or another control character"),
        ("OIDC__ALGORITHMS", "HS256", "is not valid"),
        ("OIDC__ALGORITHMS", "RS256,none", "is not valid"),
        ("OIDC__ALGORITHMS", "rs256", "is not valid"),
        ("OIDC__ALGORITHMS", "RS256,RS256", "names the same twice"),
        ("OIDC__ALGORITHMS", ",", "is not valid"),
        ("LISTEN__PORTS", "8000,8000", "names the same twice"),
        ("LISTEN__PORTS", "8000;8080", "is not valid"),
        ("LISTEN__PORTS", "70000", "is not valid"),
        ("PROXY__HTTP_URL", "proxy:3128", "is not an http or https URL"),
        ("PROXY__HTTP_URL", "socks5://proxy:1080", "is not an http or https URL"),
        ("PROXY__HTTPS_URL", "http://", "does not name a host"),
        ("PROXY__HTTPS_URL", "http://proxy:x", "is not a URL"),
        ("PROXY__HTTPS_URL", "http://proxy:0", "does not name a host"),
        ("PROXY__HTTPS_URL", "http://proxy:3128/path", "holds more than a host and a port"),
        ("HTTP__CONNECT_TIMEOUT_SECONDS", "0", "is not valid"),
        ("HTTP__READ_TIMEOUT_SECONDS", "-1", "is not valid"),
        ("HTTP__READ_TIMEOUT_SECONDS", "inf", "is not valid"),
        ("RESULTS__LOOKUP_DEADLINE_SECONDS", "nan", "is not valid"),
        ("RESULTS__MAX_UPLOAD_BYTES", "-1", "is not valid"),
        ("RESULTS__MAX_UPLOAD_BYTES", "1 GB", "is not valid"),
        ("OUTBOX__PARALLEL_UPLOADS", "0", "is not valid"),
        ("OUTBOX__RETENTION_DAYS", "0", "is not valid"),
        ("OUTBOX__BACKOFF_CAP_SECONDS", "0.5", "is below OUTBOX__BACKOFF_BASE_SECONDS"),
        ("LOG__LEVEL", "LOUD", "is not valid"),
        ("LOG__FORMAT", "xml", "is not valid"),
    ],
)
def test_wrong_value_is_told_with_what_is_accepted_instead(name: str, value: str, reason: str) -> None:
    assert str(problem(**{name: value})) == f"{name}: {reason}; accepts {ACCEPTS[name]}"


def test_a_high_base_alone_contradicts_the_default_cap() -> None:
    assert problem(OUTBOX__BACKOFF_BASE_SECONDS="120").variable == "OUTBOX__BACKOFF_CAP_SECONDS"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIO__ENDPOINT", "minio"),
        ("MINIO__ENDPOINT", "10.0.0.7:9000"),
        ("MINIO__ENDPOINT", "[fd00::7]:9000"),
        ("MINIO__ENDPOINT", "result_store.internal:443"),
        ("MINIO__BUCKET", "abc"),
        ("MINIO__BUCKET", "a" * 63),
        ("MINIO__BUCKET", "flame.results-2026"),
        ("MINIO__REGION", "eu-central-1"),
        ("POSTGRES__HOST", "/var/run/postgresql"),
        ("POSTGRES__PASSWORD", " with spaces and ünïcode "),
        ("OIDC__ALGORITHMS", "RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"),
        ("OIDC__CERTS_URL", "https://login.example/keys?tenant=1"),
        ("PROXY__HTTP_URL", "http://user:p%40ss@[fd00::1]:3128/"),
        ("OUTBOX__RETENTION_DAYS", "0.5"),
        ("RESULTS__MAX_UPLOAD_BYTES", "5000000000"),
        ("LOG__FORMAT", "JSON"),
    ],
)
def test_right_value_is_accepted(name: str, value: str) -> None:
    load_settings(COMPLETE | {name: value}, env_file=None)


def test_bundle_of_extra_certificate_authorities_is_accepted(tmp_path: Path) -> None:
    bundle = tmp_path / "certs.pem"
    bundle.write_bytes(b"# Hospital Inspection CA\n" + certificate_pem())
    assert load_settings(COMPLETE | {"EXTRA_CA_CERTS": str(bundle)}, env_file=None).extra_ca_certs == bundle


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "names a file that cannot be read (No such file or directory)"),
        (b"", "names a file without a usable PEM certificate, or with a damaged one"),
        (b"not a certificate", "names a file without a usable PEM certificate, or with a damaged one"),
        (
            certificate_pem().replace(b"M", b"A"),
            "names a file without a usable PEM certificate, or with a damaged one",
        ),
    ],
)
def test_unusable_bundle_of_certificates_is_refused_at_the_start(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    bundle = tmp_path / "certs.pem"
    if content is not None:
        bundle.write_bytes(content)
    assert problem(EXTRA_CA_CERTS=str(bundle)).problem == f"{reason}; accepts {ACCEPTS['EXTRA_CA_CERTS']}"


def test_all_problems_are_told_at_once() -> None:
    given = without("POSTGRES__DB") | {
        "MINIO__BUCKET": "X",
        "S3__ENDPOINT": "elsewhere",
        "LOG__LEVEL": "LOUD",
    }
    assert {p.variable for p in problems(given)} == {
        "POSTGRES__DB",
        "MINIO__BUCKET",
        "MINIO__ENDPOINT",
        "LOG__LEVEL",
    }


def test_a_variable_that_is_wrong_twice_is_told_once() -> None:
    found = problems(COMPLETE | {"LISTEN__PORTS": "x,y,z", "MINIO__BUCKET": "X", "S3__BUCKET": "Y"})
    assert sorted(p.variable for p in found) == ["LISTEN__PORTS", "MINIO__BUCKET"]


@pytest.mark.parametrize("variable", known_variables(), ids=lambda v: v.name)
@pytest.mark.parametrize(
    "value", ["my-very-own-secret\n", "://my-very-own-secret", "-----BEGIN my-very-own-secret"]
)
def test_no_value_appears_in_any_message(variable, value: str) -> None:
    # Whatever the variable: a secret may have been put into the wrong one.
    choice = {variable.chosen_by: variable.chosen_with[0]} if variable.chosen_by else {}
    with pytest.raises(SettingsError) as caught:
        load_settings(EVERY_SECRET | choice | {variable.name: value, "POSTGRES__PORT": "x"}, env_file=None)
    for text in (str(caught.value), repr(caught.value), repr(caught.value.problems)):
        assert "my-very-own-secret" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", [str, repr])
def test_secrets_do_not_appear_when_settings_are_printed(text) -> None:
    printed = text(load_settings(EVERY_SECRET, env_file=None))
    for name in (variable.name for variable in known_variables() if variable.secret):
        if name in EVERY_SECRET:
            assert EVERY_SECRET[name] not in printed
    assert "4711" not in printed


def test_every_message_is_one_line() -> None:
    assert all("\n" not in str(p) for p in problems(dict.fromkeys(ACCEPTS, "\n")))
    assert all("\n" not in str(p) for p in problems({}))
