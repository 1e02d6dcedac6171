"""No message and no printed settings of any service show a value that may be a secret."""

from __future__ import annotations

import pytest

from flame_node_agent.config.catalogue import READERS
from flame_node_agent.config.introspection import variables
from flame_node_agent.config.loading import load_root
from flame_node_agent.config.relay import RelaySettings
from flame_node_agent.errors import SettingsError
from tests.unit.settings_samples import DATA_ACCESS, EVERY_SECRET, RELAY, TASKS, TRUST_SECRETS

EVERYTHING = EVERY_SECRET | TASKS | DATA_ACCESS | TRUST_SECRETS | RELAY

READINGS = [
    pytest.param(root, variable, id=f"{reader} {variable.name}")
    for reader, root in READERS.items()
    for variable in variables(root)
]

VALUES = [
    "my-very-own-secret\n",
    "://my-very-own-secret",
    "my-very-own-secret=4",
    "-----BEGIN my-very-own-secret",
]


@pytest.mark.parametrize(("root", "variable"), READINGS)
@pytest.mark.parametrize("value", VALUES)
def test_no_value_appears_in_any_message(root, variable, value: str) -> None:
    # Whatever the variable: a secret may have been put into the wrong one.
    choice = {variable.chosen_by: variable.chosen_with[0]} if variable.chosen_by else {}
    with pytest.raises(SettingsError) as caught:
        load_root(root, EVERYTHING | choice | {variable.name: value, "LOG__FORMAT": "x"}, env_file=None)
    for text in (str(caught.value), repr(caught.value), repr(caught.value.problems)):
        assert "my-very-own-secret" not in text
    assert all("\n" not in str(problem) for problem in caught.value.problems)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("root", READERS.values(), ids=READERS)
@pytest.mark.parametrize("text", [str, repr])
def test_secrets_do_not_appear_when_settings_are_printed(root, text) -> None:
    printed = text(load_root(root, EVERYTHING, env_file=None).settings)
    secrets = [variable.name for variable in variables(root) if variable.secret]
    assert bool(secrets) is (root is not RelaySettings)  # which is told none
    for name in secrets:
        assert name not in EVERYTHING or EVERYTHING[name] not in printed
    assert "4711" not in printed


@pytest.mark.parametrize("root", READERS.values(), ids=READERS)
def test_every_variable_that_holds_a_secret_is_known_as_such(root) -> None:
    for variable in variables(root):
        telling = variable.name.endswith(("KEY", "KEY_BASE64", "PASSWORD", "SECRET"))
        # An access key is S3's word for the name of an account.
        assert variable.secret or not telling or variable.name == "MINIO__ACCESS_KEY", variable.name
