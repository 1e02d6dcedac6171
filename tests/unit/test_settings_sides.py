"""Which sides of the agent run: each alone, both, or neither, and what a half-configured one is told."""

from __future__ import annotations

import pytest

from flame_node_agent.config.agent_settings import AgentSettings, load_agent, own_variables
from flame_node_agent.config.introspection import variables
from flame_node_agent.config.settings import Settings, load_settings
from flame_node_agent.config.shared import SharedSettings
from flame_node_agent.config.task_side import TaskSettings
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import AES_KEY, COMPLETE, DATA_ACCESS, DATABASE, TASKS, TRUST_SECRETS

SIDES = {"the result side": (Settings, COMPLETE), "the task side": (TaskSettings, TASKS)}

OF_OTHER_SERVICES = TRUST_SECRETS | {
    "ENV": "production",
    "AES_KEY_BASE64": AES_KEY,
    "AES_ACCEPT_LEGACY_CBC": "false",
    "TRUST_INTERNAL_SERVICE_KEY_HEADER": "X-Internal",
    "COHORT_ADMIN_KEY_HEADER": "X-Admin",
    "OMOP_DB_HOST": "omop",
    "OMOP_DB_PORT": "5434",
    "DATA_ACCESS_API_URL": "http://data-access-api:8000",
    "IMAGING_API_URL": "http://imaging-api:8000",
    "XNAT_URL": "http://xnat-web:8080",
    "FL_CLIENT_IMAGE_TAG": "1.2.3",
    "FLIP_RELEASE": "1.2.3",
    "JANITOR__INTERVAL_SECONDS": "60",
    "LOG_LEVEL": "INFO",
}
"""What the file of a trust holds beside its hub, and an image may carry."""


def agent(**given: str) -> AgentSettings:
    return load_agent(given, env_file=None)


def problems(**given: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        agent(**given)
    return {problem.variable: problem.problem for problem in caught.value.problems}


def test_result_side_runs_alone_as_it_always_did() -> None:
    settings = agent(**COMPLETE)
    assert settings.results == load_settings(COMPLETE, env_file=None)
    assert settings.tasks is None
    assert settings.shared is settings.results


def test_task_side_runs_alone() -> None:
    settings = agent(**TASKS)
    assert settings.results is None
    assert settings.tasks is not None
    assert settings.shared is settings.tasks


def test_both_sides_run_beside_each_other_with_the_same_shared_settings() -> None:
    settings = agent(**COMPLETE, **{k: v for k, v in TASKS.items() if k not in COMPLETE}, LOG__LEVEL="debug")
    assert settings.sides == (settings.results, settings.tasks)
    for name in SharedSettings.model_fields:
        assert (
            getattr(settings.results, name) == getattr(settings.tasks, name) == getattr(settings.shared, name)
        )


def test_what_belongs_to_other_services_of_a_trust_turns_no_task_side_on() -> None:
    settings = agent(**(COMPLETE | OF_OTHER_SERVICES | DATA_ACCESS | DATABASE))
    assert settings.tasks is None


def test_what_belongs_to_other_services_may_be_wrong_on_a_node_for_results() -> None:
    assert agent(**COMPLETE, AES_KEY_BASE64="not a key", XNAT_URL="nowhere").tasks is None


@pytest.mark.parametrize(("side", "root"), [(side, root) for side, (root, _) in SIDES.items()])
def test_each_variable_of_a_side_turns_it_on(side: str, root: type[SharedSettings]) -> None:
    for variable in own_variables(root):
        told = problems(**{variable.name: "x"})
        needed = [each.name for each in own_variables(root) if each.required and each.name != variable.name]
        for name in needed:
            assert told[name].startswith(f"is missing, and is needed by {side}, as {variable.name} is given")


@pytest.mark.parametrize(
    ("side", "name"),
    [
        (side, variable.name)
        for side, (root, _) in SIDES.items()
        for variable in variables(root)
        if variable.required
    ],
)
def test_half_configured_side_is_told_what_is_missing_and_for_which_side(side: str, name: str) -> None:
    _, complete = SIDES[side]
    told = problems(**{key: value for key, value in complete.items() if key != name})
    assert set(told) == {name}
    assert told[name].startswith(f"is missing, and is needed by {side}, as ")


def test_side_that_is_complete_does_not_hide_one_that_is_not() -> None:
    assert set(problems(**COMPLETE, TRUST_NAME="Trust_2")) == {
        "CENTRAL_HUB_API_URL",
        "TRUST_API_KEY",
        "AES_KEY_BASE64",
    }
    assert "HUB__AUTH__FLOW" in problems(**TASKS, MINIO__BUCKET="flame")


def test_what_both_sides_miss_is_told_once() -> None:
    with pytest.raises(SettingsError) as caught:
        agent(TRUST_API_KEY="x", HUB__AUTH__FLOW="robot")
    names = [problem.variable for problem in caught.value.problems]
    assert len(names) == len(set(names))
    assert {"POSTGRES__HOST", "AES_KEY_BASE64", "MINIO__BUCKET"} <= set(names)


def test_missing_credentials_are_told_with_flow_and_side() -> None:
    told = problems(**{name: value for name, value in COMPLETE.items() if name != "HUB__AUTH__ID"})
    assert told["HUB__AUTH__ID"].startswith(
        "is missing, and is needed when HUB__AUTH__FLOW is robot or client by the result side"
    )


@pytest.mark.parametrize("given", [{}, DATABASE, DATABASE | OF_OTHER_SERVICES, DATA_ACCESS])
def test_agent_without_any_side_says_what_each_would_need(given: dict[str, str]) -> None:
    told = problems(**given)
    for side, (root, _) in SIDES.items():
        (text,) = [text for text in told.values() if side in text]
        for variable in own_variables(root):
            assert not variable.required or variable.name in text
    assert ("POSTGRES__HOST" in told) == (not given)


def test_old_name_of_the_key_turns_the_task_side_on_and_is_named_so() -> None:
    told = problems(PRIVATE_API_KEY="secret-4711", **DATABASE)
    assert told["CENTRAL_HUB_API_URL"].startswith(
        "is missing, and is needed by the task side, as PRIVATE_API_KEY is given; accepts"
    )


def test_no_secret_of_either_side_appears_when_settings_are_printed() -> None:
    given = COMPLETE | TASKS | TRUST_SECRETS
    for text in (str(agent(**given)), repr(agent(**given))):
        assert "4711" not in text
        assert given["AES_KEY_BASE64"] not in text
        assert given["TRUST_AES_KEY_BASE64"] not in text
