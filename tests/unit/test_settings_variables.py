"""Which variables there are, under which names, and which value wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.config.hub import ClientAuth, PasswordAuth, RobotAuth
from flame_node_agent.config.settings import Settings, known_variables, load, load_settings
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import COMPLETE, without

SEED_TABLE = {
    "HUB__CORE_BASE_URL": "https://core.privateaim.net",
    "HUB__STORAGE_BASE_URL": "https://storage.privateaim.net",
    "HUB__AUTH_BASE_URL": "https://auth.privateaim.net",
    "HUB__AUTH__FLOW": None,
    "HUB__AUTH__USERNAME": None,
    "HUB__AUTH__PASSWORD": None,
    "HUB__AUTH__ID": None,
    "HUB__AUTH__SECRET": None,
    "MINIO__ENDPOINT": None,
    "MINIO__ACCESS_KEY": None,
    "MINIO__SECRET_KEY": None,
    "MINIO__BUCKET": None,
    "MINIO__REGION": "us-east-1",
    "MINIO__USE_SSL": "0",
    "OIDC__CERTS_URL": None,
    "OIDC__CLIENT_ID_CLAIM_NAME": "client_id",
    "POSTGRES__HOST": None,
    "POSTGRES__PORT": "5432",
    "POSTGRES__USER": None,
    "POSTGRES__PASSWORD": None,
    "POSTGRES__DB": None,
    "CRYPTO__PROVIDER": None,
    "CRYPTO__ECDH_PRIVATE_KEY": None,
    "CRYPTO__ECDH_PRIVATE_KEY_PATH": None,
}
"""The table in the README of the FLAME Node Result Service, with its defaults."""

LATER_NAMES = {
    "PROXY__HTTP_URL": None,
    "PROXY__HTTPS_URL": None,
    "EXTRA_CA_CERTS": None,
    "HUB_ADAPTER_CLIENT_ID": "hub-adapter",
    "OIDC__SKIP_JWT_VALIDATION": "0",
    "POSTGRES__MAX_CONNECTIONS": "20",
}
"""Variables that the Node Result Service and its successor have beside that table."""


def settings(**given: str) -> Settings:
    return load_settings(COMPLETE | given, env_file=None)


@pytest.mark.parametrize(("name", "default"), [*SEED_TABLE.items(), *LATER_NAMES.items()])
def test_variable_of_the_node_result_service_is_understood_with_its_default(name: str, default: str) -> None:
    known = {variable.name: variable.default for variable in known_variables()}
    assert known[name] == default


def test_readme_example_of_docker_run_starts_with_its_stale_names() -> None:
    example = {
        "HUB__ROBOT_AUTH__ID": "beepboop",
        "HUB__ROBOT_AUTH__SECRET": "super_secret",
        "HUB__AUTH_METHOD": "robot",
        "MINIO__ENDPOINT": "localhost:9000",
        "MINIO__ACCESS_KEY": "admin",
        "MINIO__SECRET_KEY": "super_secret",
        "MINIO__BUCKET": "flame",
        "MINIO__USE_SSL": "false",
        "POSTGRES__HOST": "localhost",
        "POSTGRES__USER": "flame",
        "POSTGRES__PASSWORD": "super_secret",
        "POSTGRES__DB": "flame",
        "OIDC__CERTS_URL": "http://my.idp.org/realms/flame/protocol/openid-connect/certs",
    }
    key = {name: value for name, value in COMPLETE.items() if name.startswith("CRYPTO__")}
    auth = load_settings(example | key, env_file=None).hub.auth
    assert isinstance(auth, RobotAuth)
    assert (auth.id, auth.secret.get_secret_value()) == ("beepboop", "super_secret")


@pytest.mark.parametrize("flow", ["robot", "client"])
def test_robot_and_client_sign_in_with_id_and_secret(flow: str) -> None:
    auth = settings(HUB__AUTH__FLOW=flow).hub.auth
    assert isinstance(auth, RobotAuth if flow == "robot" else ClientAuth)
    assert (auth.flow, auth.id, auth.secret.get_secret_value()) == (flow, "beepboop", "robot-secret-4711")


def test_user_signs_in_with_name_and_password() -> None:
    auth = settings(
        HUB__AUTH__FLOW="password", HUB__AUTH__USERNAME="admin", HUB__AUTH__PASSWORD="start123"
    ).hub.auth
    assert isinstance(auth, PasswordAuth)
    assert (auth.username, auth.password.get_secret_value()) == ("admin", "start123")


def test_credentials_of_the_other_flow_may_be_set_too() -> None:
    # The README of the Node Result Service asks for both when its live tests are run.
    auth = settings(HUB__AUTH__USERNAME="admin", HUB__AUTH__PASSWORD="start123").hub.auth
    assert isinstance(auth, RobotAuth)


@pytest.mark.parametrize("name", ["ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "BUCKET", "REGION", "USE_SSL"])
def test_s3_names_mean_the_same_as_minio_names(name: str) -> None:
    value = {"REGION": "eu-central-1", "USE_SSL": "1"}.get(name) or COMPLETE[f"MINIO__{name}"]
    by_s3 = load_settings(without(f"MINIO__{name}") | {f"S3__{name}": value}, env_file=None)
    assert by_s3 == settings(**{f"MINIO__{name}": value})
    assert by_s3 == settings(**{f"MINIO__{name}": value, f"S3__{name}": value})


@pytest.mark.parametrize(
    "variable", [v for v in known_variables() if v.also_named and not v.giving_way], ids=lambda v: v.name
)
def test_two_names_of_one_variable_with_different_values_are_a_contradiction(variable) -> None:
    value = {"HUB__AUTH__FLOW": "client", "MINIO__USE_SSL": "1"}.get(variable.name, "other-4711")
    given = {variable.name: COMPLETE.get(variable.name, "0"), variable.also_named[0]: value}
    with pytest.raises(SettingsError) as caught:
        settings(**given)
    (problem,) = caught.value.problems
    assert problem.variable == variable.name
    assert f"differs from {variable.also_named[0]}" in problem.problem
    assert problem.problem.endswith(f"; accepts {variable.accepts}")


def test_tls_to_the_object_store_is_off_as_the_readme_says() -> None:
    assert settings().minio.use_ssl is False


@pytest.mark.parametrize(
    ("written", "meant"),
    [("1", True), ("0", False), ("true", True), ("false", False), ("True", True), ("no", False)],
)
def test_flags_are_read_as_before(written: str, meant: bool) -> None:
    assert settings(MINIO__USE_SSL=written).minio.use_ssl is meant


def test_hub_urls_may_have_a_path() -> None:
    assert (
        str(settings(HUB__CORE_BASE_URL="http://host:3000/core/").hub.core_base_url)
        == "http://host:3000/core/"
    )


def test_names_are_not_case_sensitive() -> None:
    assert settings(log__level="debug").log.level == "DEBUG"
    assert settings(log__level="debug", LOG__LEVEL="error").log.level == "ERROR"


def test_unknown_variables_are_ignored(tmp_path: Path) -> None:
    # Also such that look like a whole group, as LOG and HTTP do on some machines.
    unknown = {"LOG": "x", "HTTP": "y", "HUB__AUTH": "z", "MINIO__SECURE": "1", "CHUNK_SIZE": "1"}
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in unknown.items()))
    assert load_settings(COMPLETE | unknown, tmp_path / ".env") == settings()


@pytest.mark.parametrize("name", ["PROXY__HTTP_URL", "EXTRA_CA_CERTS", "OIDC__ISSUER", "POSTGRES__PORT"])
def test_empty_value_counts_as_not_given(name: str) -> None:
    assert settings(**{name: ""}) == settings()


def test_lists_are_separated_by_commas() -> None:
    several = settings(LISTEN__PORTS="9000, 9001", OIDC__ALGORITHMS="ES256,RS256")
    assert several.listen.ports == (9000, 9001)
    assert several.oidc.algorithms == ("ES256", "RS256")


def test_env_file_is_read_and_the_process_environment_wins(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(
        "# a comment\nPOSTGRES__DB=from_file\nexport POSTGRES__USER='from file'\n"
        "POSTGRES__HOST=from_file\nPOSTGRES__PORT=\n"
    )
    loaded = load(without("POSTGRES__DB", "POSTGRES__USER"), env_file)
    postgres = loaded.settings.postgres
    assert (postgres.host, postgres.port, postgres.user, postgres.db) == (
        "localhost",
        5432,
        "from file",
        "from_file",
    )
    sources = {name: found.source for name, found in loaded.found.items() if name.startswith("POSTGRES")}
    assert sources == {
        "POSTGRES__HOST": "environment",
        "POSTGRES__USER": ".env",
        "POSTGRES__PASSWORD": "environment",
        "POSTGRES__DB": ".env",
    }


def test_env_file_of_the_working_directory_and_the_process_environment_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in known_variables():
        for name in (variable.name, *variable.also_named):
            monkeypatch.delenv(name, raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("LOG__LEVEL=WARNING\nMINIO__BUCKET=other\n")
    assert load_settings() == settings(LOG__LEVEL="WARNING")


def test_another_name_in_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("MINIO__BUCKET=from-file\n")
    loaded = load(without("MINIO__BUCKET") | {"S3__BUCKET": "from-environment"}, env_file)
    assert loaded.settings.minio.bucket == "from-environment"
    assert (loaded.found["MINIO__BUCKET"].given_as, loaded.found["MINIO__BUCKET"].source) == (
        "S3__BUCKET",
        "environment",
    )


def test_private_key_over_several_lines_is_read_from_the_env_file(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f'CRYPTO__ECDH_PRIVATE_KEY="{COMPLETE["CRYPTO__ECDH_PRIVATE_KEY"]}"\n')
    crypto = load_settings(without("CRYPTO__ECDH_PRIVATE_KEY"), env_file).crypto
    assert crypto.private_key().private_numbers() == settings().crypto.private_key().private_numbers()


def test_env_file_may_use_other_variables_as_before(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("STORE=minio.internal\nMINIO__ENDPOINT=${STORE}:9000\n")
    assert load_settings(without("MINIO__ENDPOINT"), env_file).minio.endpoint == "minio.internal:9000"


def test_env_file_of_the_working_directory_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(COMPLETE) == settings()


def test_another_env_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"typo\.env: cannot be read: No such file or directory"):
        load_settings(COMPLETE, tmp_path / "typo.env")


def test_env_file_that_is_not_text_is_told_by_its_name(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"POSTGRES__DB=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"\.env: cannot be read: it is not UTF-8"):
        load_settings(COMPLETE, env_file)


def test_settings_cannot_be_changed() -> None:
    frozen = settings()
    with pytest.raises(ValueError, match="frozen"):
        frozen.minio.bucket = "other"
    with pytest.raises(ValueError, match="frozen"):
        frozen.shutdown_grace_seconds = 1


def test_settings_read_nothing_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError):
        load_settings({}, env_file=None)
    with pytest.raises(ValueError, match="Field required"):
        Settings()


@pytest.mark.parametrize("name", ["TRUST_LOG_LEVEL", "LOG_LEVEL"])
def test_level_of_logs_may_have_the_names_of_flip(name: str) -> None:
    assert settings(**{name: "debug"}).log.level == "DEBUG"


def test_level_of_logs_is_the_nodes_own_then_the_trusts_then_anybodys() -> None:
    # A file that hub and trust share holds the hub's LOG_LEVEL too.
    several = {"LOG__LEVEL": "error", "TRUST_LOG_LEVEL": "debug", "LOG_LEVEL": "warning"}
    assert settings(**several).log.level == "ERROR"
    del several["LOG__LEVEL"]
    assert settings(**several).log.level == "DEBUG"
