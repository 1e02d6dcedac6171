"""data-access-api's variables: FLIP's names and defaults, and the floor that no setting goes below."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.config.data_access import DataAccessSettings, load_data_access
from flame_node_agent.config.introspection import variables
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import AES_KEY, COMPLETE, DATA_ACCESS, TASKS

KNOWN = {variable.name: variable for variable in variables(DataAccessSettings)}

DATA_ACCESS_API = {
    "COHORT_QUERY_THRESHOLD": "10",
    "CACHE_TTL_DAYS": "60",
    "CACHE_MAX_RESULT_ROWS": "50000",
    "CACHE_MAX_ENTRIES": "64",
    "OMOP_DB_SERVICE_NAME": "omop-db",
    "OMOP_DB_PORT": "5432",
    "DATA_ACCESS_POSTGRES_USER": None,
    "DATA_ACCESS_POSTGRES_PASSWORD": None,
    "OMOP_POSTGRES_DB": None,
    "AES_KEY_BASE64": None,
    "TRUST_INTERNAL_SERVICE_KEY": None,
    "TRUST_INTERNAL_SERVICE_KEY_HEADER": "X-Trust-Internal-Service-Key",
    "COHORT_ADMIN_KEY_HEADER": "X-Cohort-Admin-Key",
    "SNAPSHOT_MAX_BYTES": "536870912",
    "ACCESS_POLICY_FILE": None,
}
"""The variables of FLIP's data-access-api, with their defaults."""


def settings(**given: str) -> DataAccessSettings:
    return load_data_access(DATA_ACCESS | given, env_file=None)


def problem(given: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_data_access(given, env_file=None)
    (only,) = caught.value.problems
    return str(only)


@pytest.mark.parametrize(("name", "default"), DATA_ACCESS_API.items())
def test_variable_of_data_access_api_is_understood_with_its_default(name: str, default: str | None) -> None:
    assert KNOWN[name].default == default


@pytest.mark.parametrize("name", sorted(DATA_ACCESS))
def test_each_required_variable_is_missed_alone(name: str) -> None:
    given = {key: value for key, value in DATA_ACCESS.items() if key != name}
    assert problem(given) == f"{name}: is missing; accepts {KNOWN[name].accepts}"


def test_file_of_the_agent_does_not_disturb() -> None:
    assert load_data_access(COMPLETE | TASKS | DATA_ACCESS, env_file=None) == settings()


def test_service_listens_on_one_port_and_the_agent_on_two() -> None:
    assert settings().listen.ports == (8000,)
    assert settings(LISTEN__PORTS="9000").listen.ports == (9000,)


@pytest.mark.parametrize(("given", "meant"), [("", 10), ("5", 5), ("10", 10), ("250", 250)])
def test_threshold_is_ten_unless_another_is_given(given: str, meant: int) -> None:
    # FLIP's compose files pass an empty one for what nobody has set.
    assert settings(COHORT_QUERY_THRESHOLD=given).cohort_query_threshold == meant


@pytest.mark.parametrize("given", ["4", "1", "0", "-1"])
def test_threshold_below_the_floor_stops_the_start(given: str) -> None:
    assert problem(DATA_ACCESS | {"COHORT_QUERY_THRESHOLD": given}) == (
        "COHORT_QUERY_THRESHOLD: is below 5, and no setting goes below that; accepts a whole number from 5 up"
    )


@pytest.mark.parametrize(("given", "meant"), [("", 0), ("0", 0), ("5", 5), ("10", 10)])
def test_rounding_is_off_or_to_five_or_ten(given: str, meant: int) -> None:
    assert settings(COHORT_ROUNDING=given).cohort_rounding == meant


def test_columns_that_identify_a_person_are_named_by_default() -> None:
    columns = settings().cohort_identifier_columns
    assert {"person_source_value", "nhs_number", "date_of_birth", "postcode"} <= set(columns)
    assert not {"person_id", "accession_id", "year_of_birth", "gender_concept_id"} & set(columns)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("NHS_Number, my_column", ("nhs_number", "my_column")), ("none", ()), ("None", ())],
)
def test_columns_that_identify_a_person_can_be_chosen(given: str, meant: tuple[str, ...]) -> None:
    assert settings(COHORT_IDENTIFIER_COLUMNS=given).cohort_identifier_columns == meant


def test_policy_must_be_a_file_that_can_be_read(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    told = problem(DATA_ACCESS | {"ACCESS_POLICY_FILE": str(policy)})
    assert told.startswith("ACCESS_POLICY_FILE: names a file that cannot be read (No such file or directory)")
    policy.write_text("")
    assert settings(ACCESS_POLICY_FILE=str(policy)).access_policy_file == policy


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("COHORT_QUERY_THRESHOLD", "ten", "is not valid"),
        ("COHORT_QUERY_THRESHOLD", "7.5", "is not valid"),
        ("COHORT_ROUNDING", "3", "is not one of the steps"),
        ("COHORT_ROUNDING", "x", "is not valid"),
        ("COHORT_ROW_LEVEL", "all", "is not valid"),
        ("COHORT_SNAPSHOTS", "perhaps", "is not valid"),
        ("COHORT_IDENTIFIER_COLUMNS", "a,,b", "holds an empty name"),
        ("COHORT_STATEMENT_TIMEOUT_SECONDS", "0", "is not valid"),
        ("COHORT_PARALLEL_QUERIES", "0", "is not valid"),
        ("CACHE_TTL_DAYS", "0", "is not valid"),
        ("CACHE_MAX_ENTRIES", "0", "is not valid"),
        ("SNAPSHOT_MAX_BYTES", "1 MB", "is not valid"),
        ("DATA_ACCESS_POSTGRES_USER", "a\nb", "holds a line break or another control character"),
        ("AES_KEY_BASE64", AES_KEY[:-4], "holds 30 bytes"),
        ("OMOP_DB_PORT", "0", "is not valid"),
    ],
)
def test_wrong_value_is_told_with_what_is_accepted_instead(name: str, value: str, reason: str) -> None:
    assert problem(DATA_ACCESS | {name: value}) == f"{name}: {reason}; accepts {KNOWN[name].accepts}"
