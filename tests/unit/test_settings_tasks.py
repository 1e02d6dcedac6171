"""The task side's variables: FLIP's names and defaults, of both eras, and what is wrong with a value."""

from __future__ import annotations

import base64
from uuid import UUID

import pytest

from flame_node_agent.config.agent_settings import load_agent
from flame_node_agent.config.introspection import variables
from flame_node_agent.config.loading import load_root
from flame_node_agent.config.task_limits import TASK_TYPES
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import AES_KEY, OTHER_AES_KEY, TASKS, TRUST_SECRETS

KNOWN = {variable.name: variable for variable in variables(TaskSettings)}

SEED_TABLE = (
    "TRUST_NAME",
    "TRUST_API_KEY",
    "CENTRAL_HUB_API_URL",
    "AES_KEY_BASE64",
    "TRUST_INTERNAL_SERVICE_KEY",
)
"""What the guide to FLIP's on-premises trusts has in its table: all that such a node is given."""

TRUST_API = {
    "ENV": "development",
    "CENTRAL_HUB_API_URL": None,
    "TRUST_API_KEY": None,
    "TRUST_API_KEY_HEADER": "Authorization",
    "AES_KEY_BASE64": None,
    "TRUST_INTERNAL_SERVICE_KEY": None,
    "TRUST_INTERNAL_SERVICE_KEY_HEADER": "X-Trust-Internal-Service-Key",
    "COHORT_ADMIN_KEY_HEADER": "X-Cohort-Admin-Key",
    "DATA_ACCESS_API_URL": "http://data-access-api:8000",
    "IMAGING_API_URL": "http://imaging-api:8000",
    "POLL_INTERVAL_SECONDS": "5",
    "EXPECTED_TRUST_ID": None,
    "COHORT_QUERY_TIMEOUT_SECONDS": "300",
    "HEALTH_COLLECT_INTERVAL_SECONDS": "30",
    "HEALTH_PROBE_DEGRADED_MS": "1000",
    "XNAT_URL": "http://xnat-web:8080",
    "OMOP_DB_HOST": "omop-db",
    "OMOP_DB_PORT": "5432",
    "FL_CLIENT_IMAGE_TAG": None,
    "FLIP_RELEASE": None,
    "TRUST_NAME": None,
    "TRUST_AES_KID": None,
    "TRUST_AES_KEY_BASE64": None,
    "AES_ACCEPT_LEGACY_CBC": "0",
}
"""The variables of FLIP's trust-api, with their defaults."""


def tasks(**given: str) -> TaskSettings:
    return load_root(TaskSettings, TASKS | given, env_file=None).settings


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in TASKS.items() if name not in names}


def problem(given: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_root(TaskSettings, given, env_file=None)
    (only,) = caught.value.problems
    return str(only)


@pytest.mark.parametrize(("name", "default"), TRUST_API.items())
def test_variable_of_trust_api_is_understood_with_its_default(name: str, default: str | None) -> None:
    assert KNOWN[name].default == default


def test_seeds_table_and_a_database_are_all_that_a_trust_needs() -> None:
    given = TASKS | {"TRUST_NAME": "Trust_2", "TRUST_INTERNAL_SERVICE_KEY": "internal-4711"}
    assert set(SEED_TABLE) <= set(given)
    side = load_agent(given, env_file=None).tasks
    assert side is not None
    assert side.trust_name == "Trust_2"


def test_empty_environment_counts_as_development() -> None:
    # FLIP's compose files pass ENV= for what nobody has set.
    assert tasks(ENV="").env == "development"
    assert tasks(ENV="production").env == "production"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://hub.example", "https://hub.example/api"),
        ("https://hub.example/", "https://hub.example/api"),
        ("https://hub.example/api", "https://hub.example/api"),
        ("https://hub.example/api/", "https://hub.example/api"),
        ("https://hub.example/api//", "https://hub.example/api"),
        ("https://hub.example//", "https://hub.example/api"),
        ("https://hub.example/api/api", "https://hub.example/api"),
        ("http://localhost:8080/api", "http://localhost:8080/api"),
        ("https://proxy.example/flip", "https://proxy.example/flip/api"),
        ("https://proxy.example/flip/api/", "https://proxy.example/flip/api"),
        ("https://hub.example/rapi", "https://hub.example/rapi/api"),
    ],
)
def test_hub_is_asked_below_api_however_its_url_is_given(given: str, meant: str) -> None:
    assert tasks(CENTRAL_HUB_API_URL=given).hub_api == meant


def test_old_names_of_key_and_header_are_understood() -> None:
    given = without("TRUST_API_KEY") | {"PRIVATE_API_KEY": "old-4711", "PRIVATE_API_KEY_HEADER": "X-Old"}
    side = load_agent(given, env_file=None).tasks
    assert side is not None
    assert side.trust_api_key.get_secret_value() == "old-4711"
    assert side.trust_api_key_header == "X-Old"


def test_old_key_gives_way_to_the_present_one() -> None:
    # A file that hub and trust share in turn of eras holds both.
    side = tasks(PRIVATE_API_KEY="old-4711", PRIVATE_API_KEY_HEADER="X-Old", TRUST_API_KEY_HEADER="X-New")
    assert side.trust_api_key.get_secret_value() == TASKS["TRUST_API_KEY"]
    assert side.trust_api_key_header == "X-New"


def test_limits_by_type_are_read() -> None:
    loops = tasks(
        TASKS__PARALLEL_BY_TYPE="cohort_query=4, create_imaging = 1",
        TASKS__TIMEOUT_BY_TYPE="create_imaging=1800,delete_imaging=0.5",
    ).tasks
    assert loops.parallel_by_type == {"cohort_query": 4, "create_imaging": 1}
    assert loops.timeout_by_type == {"create_imaging": 1800, "delete_imaging": 0.5}


def test_every_type_of_task_may_have_a_limit() -> None:
    given = ",".join(f"{name}=2" for name in TASK_TYPES)
    assert tasks(TASKS__PARALLEL_BY_TYPE=given).tasks.parallel_by_type == dict.fromkeys(TASK_TYPES, 2)
    assert len(TASK_TYPES) == 7


def test_time_of_a_task_is_that_of_its_type() -> None:
    side = tasks(
        COHORT_QUERY_TIMEOUT_SECONDS="100",
        TASKS__TIMEOUT_SECONDS="50",
        TASKS__TIMEOUT_BY_TYPE="create_imaging=60",
    )
    assert side.timeout_of("cohort_query") == 100
    assert side.timeout_of("persist_cohort") == 100
    assert side.timeout_of("create_imaging") == 60
    assert side.timeout_of("delete_imaging") == 50


@pytest.mark.parametrize("name", ["TASKS__POLLS_PER_MINUTE", "TASKS__REPORTS_PER_MINUTE"])
def test_paces_may_be_unlimited(name: str) -> None:
    tasks(**{name: "0"})


def test_expected_trust_id_is_read_in_any_spelling() -> None:
    expected = UUID("6f1f3b0a-5a4e-4a3a-9d57-0c1b7a7f3b11")
    for spelling in (str(expected), str(expected).upper(), expected.hex):
        assert tasks(EXPECTED_TRUST_ID=spelling).expected_trust_id == expected


@pytest.mark.parametrize("name", ["Trust_2", "Trust 2", "Kings & Guys", "Hôpital", "%41", "a?b#c"])
def test_name_of_the_trust_may_be_any_that_one_part_of_a_path_can_hold(name: str) -> None:
    assert tasks(TRUST_NAME=name).trust_name == name


def test_own_key_of_the_trust_goes_with_its_id() -> None:
    side = tasks(**TRUST_SECRETS)
    assert side.trust_aes_kid == "ours"
    assert side.trust_aes_key_base64 is not None


NOT_BASE64, TYPES = "is not base64", "gives a type something else than a"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ENV", "staging", "is not valid"),
        ("CENTRAL_HUB_API_URL", "hub.example", "is not valid"),
        ("CENTRAL_HUB_API_URL", "ftp://hub.example", "is not valid"),
        ("CENTRAL_HUB_API_URL", "https://me:pw@hub.example", "holds credentials"),
        ("CENTRAL_HUB_API_URL", "https://hub.example/?x=1", "holds a query or a fragment"),
        ("TRUST_API_KEY", "two words", "holds characters that no HTTP header can carry"),
        ("TRUST_API_KEY", "schlüssel", "holds characters that no HTTP header can carry"),
        ("TRUST_API_KEY", "key\n", "holds characters that no HTTP header can carry"),
        ("TRUST_API_KEY", "<run-make-generate-keys>", "is still the placeholder of the kit"),
        ("TRUST_API_KEY_HEADER", "X Key", "is not a valid name of an HTTP header"),
        ("TRUST_API_KEY_HEADER", "X-Key:", "is not a valid name of an HTTP header"),
        ("TRUST_API_KEY_HEADER", "Schlüssel", "is not a valid name of an HTTP header"),
        ("TRUST_INTERNAL_SERVICE_KEY", "a b", "holds characters that no HTTP header can carry"),
        ("TRUST_INTERNAL_SERVICE_KEY_HEADER", "a/b", "is not a valid name of an HTTP header"),
        ("COHORT_ADMIN_KEY_HEADER", "(x)", "is not a valid name of an HTTP header"),
        (
            "COHORT_ADMIN_KEY_HEADER",
            "x-trust-internal-service-key",
            "is the header of TRUST_INTERNAL_SERVICE_KEY_HEADER",
        ),
        ("AES_KEY_BASE64", base64.b64encode(bytes(16)).decode(), "holds 16 bytes"),
        ("AES_KEY_BASE64", base64.b64encode(bytes(24)).decode(), "holds 24 bytes"),
        ("AES_KEY_BASE64", base64.b64encode(bytes(33)).decode(), "holds 33 bytes"),
        ("AES_KEY_BASE64", AES_KEY.rstrip("="), NOT_BASE64),
        ("AES_KEY_BASE64", AES_KEY + "\n", NOT_BASE64),
        ("AES_KEY_BASE64", "-" + AES_KEY[1:], NOT_BASE64),
        ("AES_KEY_BASE64", "ключ", NOT_BASE64),
        ("TRUST_AES_KEY_BASE64", OTHER_AES_KEY, "is given without TRUST_AES_KID"),
        ("EXPECTED_TRUST_ID", "Trust_2", "is not valid"),
        ("EXPECTED_TRUST_ID", "6f1f3b0a-5a4e-4a3a-9d57", "is not valid"),
        ("HUB_TASK_ROUTES", "old", "is not valid"),
        ("TRUST_NAME", "a/b", "cannot stand in a URL as one part of its path"),
        ("TRUST_NAME", "a\\b", "cannot stand in a URL as one part of its path"),
        ("TRUST_NAME", "..", "cannot stand in a URL as one part of its path"),
        ("TRUST_NAME", ".", "cannot stand in a URL as one part of its path"),
        ("TRUST_NAME", "  ", "cannot stand in a URL as one part of its path"),
        ("TRUST_NAME", "a\nb", "holds a line break or another control character"),
        ("POLL_INTERVAL_SECONDS", "0", "is not valid"),
        ("HEARTBEAT_INTERVAL_SECONDS", "soon", "is not valid"),
        ("COHORT_QUERY_TIMEOUT_SECONDS", "inf", "is not valid"),
        ("HEALTH_PROBE_DEGRADED_MS", "0", "is not valid"),
        ("OMOP_DB_PORT", "70000", "is not valid"),
        ("DATA_ACCESS_API_URL", "data-access-api:8000", "is not valid"),
        ("IMAGING_API_URL", "http://imaging-api:8000/?a", "holds a query or a fragment"),
        ("XNAT_URL", "http://admin:admin@xnat-web", "holds credentials"),
        ("AES_ACCEPT_LEGACY_CBC", "maybe", "is not valid"),
        ("TASKS__PARALLEL", "0", "is not valid"),
        ("TASKS__POLLS_PER_MINUTE", "-1", "is not valid"),
        ("TASKS__RETENTION_DAYS", "0", "is not valid"),
        ("TASKS__REPORT_BACKOFF_CAP_SECONDS", "1", "is below TASKS__REPORT_BACKOFF_BASE_SECONDS"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query", "is not a list of type=number"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query=4,", "is not a list of type=number"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort=4", "names an unknown type of task"),
        ("TASKS__PARALLEL_BY_TYPE", "Cohort_Query=4", "names an unknown type of task"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query=4,cohort_query=5", "names the same type twice"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query=0", f"{TYPES} whole number from 1 up"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query=1.5", f"{TYPES} whole number from 1 up"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query=", f"{TYPES} whole number from 1 up"),
        ("TASKS__PARALLEL_BY_TYPE", "cohort_query=²", f"{TYPES} whole number from 1 up"),
        ("TASKS__TIMEOUT_BY_TYPE", "create_imaging=0", f"{TYPES} number of seconds above 0"),
        ("TASKS__TIMEOUT_BY_TYPE", "create_imaging=nan", f"{TYPES} number of seconds above 0"),
        ("TASKS__TIMEOUT_BY_TYPE", "create_imaging=x", f"{TYPES} number of seconds above 0"),
        (
            "TASKS__TIMEOUT_BY_TYPE",
            "cohort_query=5",
            "names a type whose time-out is COHORT_QUERY_TIMEOUT_SECONDS",
        ),
    ],
)
def test_wrong_value_is_told_with_what_is_accepted_instead(name: str, value: str, reason: str) -> None:
    assert problem(TASKS | {name: value}) == f"{name}: {reason}; accepts {KNOWN[name].accepts}"


def test_id_of_an_own_key_needs_the_key() -> None:
    told = problem(TASKS | {"TRUST_AES_KID": "ours"})
    assert told.startswith(
        "TRUST_AES_KEY_BASE64: is missing, and is needed as TRUST_AES_KID is given; accepts"
    )


@pytest.mark.parametrize(
    ("kid", "reason"),
    [
        ("shared", "is the id of the key in AES_KEY_BASE64"),
        ("a|b", "holds a space or a |"),
        ("a b", "holds a space or a |"),
    ],
)
def test_id_of_an_own_key_cannot_be_mistaken_for_another(kid: str, reason: str) -> None:
    told = problem(TASKS | {"TRUST_AES_KID": kid, "TRUST_AES_KEY_BASE64": OTHER_AES_KEY})
    assert told.startswith(f"TRUST_AES_KID: {reason}; accepts")


def test_named_routes_need_a_name() -> None:
    told = problem(TASKS | {"HUB_TASK_ROUTES": "named"})
    assert told.startswith("TRUST_NAME: is missing, and is needed when HUB_TASK_ROUTES is named; accepts")
    assert tasks(HUB_TASK_ROUTES="Named", TRUST_NAME="Trust_2").hub_task_routes == "named"


@pytest.mark.parametrize("name", sorted(TASKS))
def test_each_required_variable_is_missed_alone(name: str) -> None:
    assert problem(without(name)) == f"{name}: is missing; accepts {KNOWN[name].accepts}"
