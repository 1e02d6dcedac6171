"""Each thing that can be wrong with a kit is found, and told without its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.kit.checks import KitProblem, Weight, check_kit
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import write_kit
from flame_node_agent.kit.making import key_hash
from flame_node_agent.kit.new_trust import complete
from flame_node_agent.kit.template import render_template

FILLED = {
    "HUB__AUTH__ID": "client-id",
    "HUB__AUTH__SECRET": "client-secret-4711",
    "OIDC__CERTS_URL": "http://keycloak:8080/certs",
}


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    text = EnvText(render_template())
    complete(text, {"TRUST_NAME": "Trust_2", "CENTRAL_HUB_API_URL": "https://hub.example"}, results=True)
    for name, value in FILLED.items():
        text.put(name, value)
    write_kit(tmp_path / "kit", text)
    return tmp_path / "kit"


def problems(kit: Path, *, production: bool | None = None, **changes: str) -> dict[str, KitProblem]:
    text = EnvText(kit.read_text())
    for name, value in changes.items():
        text.put(name, value) or text.insert(name, value, after=(), heading="# ── More ──")
    write_kit(kit, text)
    return {problem.where: problem for problem in check_kit(kit, production=production)}


def test_a_kit_as_it_is_made_and_filled_has_nothing_wrong(kit: Path) -> None:
    assert problems(kit) == {}


def test_a_kit_that_others_can_read_is_a_problem(kit: Path) -> None:
    kit.chmod(0o640)
    (problem,) = check_kit(kit)
    assert "0640" in problem.problem
    assert problem.do == f"chmod 600 {kit}"


@pytest.mark.parametrize(
    "value", ["<run-make-new-trust-keys>", "<run-make-generate-xnat-passwords>", "<fill-in>"]
)
def test_a_placeholder_is_a_problem_told_once(kit: Path, value: str) -> None:
    text = kit.read_text()
    found = problems(kit, TRUST_API_KEY=value)
    assert set(found) == {"TRUST_API_KEY"}
    assert found["TRUST_API_KEY"].weight is Weight.PROBLEM
    assert ("new-trust" in found["TRUST_API_KEY"].do) == value.startswith("<run-make")
    kit.write_text(text)


def test_what_a_service_would_not_start_with_is_a_problem(kit: Path) -> None:
    found = problems(kit, AES_KEY_BASE64="c2hvcnQ=", COHORT_QUERY_THRESHOLD="1", POSTGRES__PORT="x")
    assert set(found) == {"AES_KEY_BASE64", "COHORT_QUERY_THRESHOLD", "POSTGRES__PORT"}
    assert "c2hvcnQ=" not in "".join(map(str, found.values()))


@pytest.mark.parametrize(
    ("production", "weight"), [(True, Weight.PROBLEM), (False, Weight.WARNING), (None, Weight.PROBLEM)]
)
def test_a_default_password_is_a_problem_in_production(
    kit: Path, production: bool | None, weight: Weight
) -> None:
    found = problems(kit, production=production, MINIO__SECRET_KEY="minioadmin")
    assert found["MINIO__SECRET_KEY"].weight is weight


def test_a_default_password_is_a_warning_where_the_kit_is_for_development(kit: Path) -> None:
    found = problems(kit, ENV="development", POSTGRES__PASSWORD="changeme")
    assert found["POSTGRES__PASSWORD"].weight is Weight.WARNING


def test_a_secret_that_is_used_twice_is_found(kit: Path) -> None:
    found = problems(kit, POSTGRES__PASSWORD="the-same-4711", MINIO__SECRET_KEY="the-same-4711")
    assert found["MINIO__SECRET_KEY"].problem == "is the same as POSTGRES__PASSWORD"
    assert found["MINIO__SECRET_KEY"].weight is Weight.WARNING


def test_a_file_that_only_the_container_can_see_is_a_warning(kit: Path) -> None:
    found = problems(
        kit, ACCESS_POLICY_FILE="/etc/flame-node/no-policy.toml", EXTRA_CA_CERTS="/etc/no-authority.pem"
    )
    assert set(found) == {"ACCESS_POLICY_FILE", "EXTRA_CA_CERTS"}
    assert {problem.weight for problem in found.values()} == {Weight.WARNING}


def test_a_line_that_is_nothing_and_a_name_given_twice_are_found(kit: Path) -> None:
    with kit.open("a") as file:
        file.write("'unfinished\nTRUST_CODE=a\nTRUST_CODE=b\n")
    found = {problem.where: problem.problem for problem in check_kit(kit)}
    assert found["TRUST_CODE"] == "is given twice"
    assert any(where.startswith("line ") for where in found)


def test_a_value_that_compose_would_read_otherwise_is_found(kit: Path) -> None:
    with kit.open("a") as file:
        file.write("S3_PASSPHRASE=pa$word\n")
    (found,) = check_kit(kit)
    assert found.where == "S3_PASSPHRASE"
    assert "pa$word" not in str(found)


def test_the_hubs_copy_of_the_hash_has_to_match(kit: Path) -> None:
    key = EnvText(kit.read_text()).values["TRUST_API_KEY"]
    assert problems(kit, TRUST_API_KEY_HASHES=f'{{"Trust_2": "{key_hash(key)}"}}') == {}
    assert set(problems(kit, TRUST_API_KEY_HASHES='{"Trust_2": "0000"}')) == {"TRUST_API_KEY_HASHES"}
    assert set(problems(kit, TRUST_API_KEY_HASHES='{"Trust_1": "0000"}')) == {"TRUST_API_KEY_HASHES"}
    assert set(problems(kit, TRUST_API_KEY_HASHES="no JSON")) == {"TRUST_API_KEY_HASHES"}


def test_the_internal_key_of_the_old_table_has_to_match(kit: Path) -> None:
    key = EnvText(kit.read_text()).values["TRUST_INTERNAL_SERVICE_KEY"]
    assert problems(kit, TRUST_INTERNAL_SERVICE_KEYS=f'{{"Trust_2": "{key}"}}') == {}
    found = problems(kit, TRUST_INTERNAL_SERVICE_KEYS='{"Trust_2": "other-4711"}')
    assert set(found) == {"TRUST_INTERNAL_SERVICE_KEYS"}


def test_agent_and_data_access_should_mean_the_same_omop_database(kit: Path) -> None:
    found = problems(kit, OMOP_DB_HOST="elsewhere")
    assert found["OMOP_DB_HOST"].weight is Weight.WARNING


def test_a_server_elsewhere_and_the_stacks_own_database_contradict_each_other(kit: Path) -> None:
    name = "omop.hospital.example"
    found = problems(kit, OMOP_SERVER=f"{name}:5432")
    assert found["OMOP_DB_SERVICE_NAME"].weight is Weight.PROBLEM
    assert "OMOP_SERVER" in found["OMOP_DB_SERVICE_NAME"].problem
    assert problems(kit, OMOP_DB_SERVICE_NAME=name, OMOP_DB_HOST=name) == {}


def test_a_server_elsewhere_is_looked_at_as_the_relay_will(kit: Path) -> None:
    assert set(problems(kit, OMOP_SERVER="", OMOP_DB_SERVICE_NAME="other", OMOP_DB_HOST="other")) == set()
    found = problems(kit, OMOP_SERVER="omop.hospital.example")
    assert found["OMOP_SERVER"].problem == "is not a host and a port"


def test_a_kit_without_results_is_complete_as_well(tmp_path: Path) -> None:
    text = EnvText(render_template(results=False))
    complete(text, {"TRUST_NAME": "Trust_2", "CENTRAL_HUB_API_URL": "https://hub.example"}, results=False)
    write_kit(tmp_path / "kit", text)
    assert check_kit(tmp_path / "kit") == []
