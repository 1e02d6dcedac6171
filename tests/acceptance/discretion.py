"""What must never be in a log: secrets of the settings, tokens, names of files, statements of SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from flame_node_agent.config.catalogue import catalogue
from tests.acceptance.running_agents import RunningAgent

TELLTALE = "patient-4711"
"""Part of every file name that the tests make up, to be searched for."""

_SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|FOR\s+UPDATE|ON\s+CONFLICT)\b",
    re.DOTALL,
)
_SHORTEST_KEY_LINE = 20


def assert_discreet(agent: RunningAgent, tokens: Iterable[str], *, names: bool = True) -> None:
    """Search all that an agent has logged; without ``names``, names of files may be there (level DEBUG)."""
    log = agent.log()
    assert log, "the agent has logged nothing at all"
    for name, secret in secrets_of(agent).items():
        assert secret not in log, f"the log of {agent.server.url} holds {name}"
    for token in tokens:
        header, _, rest = token.partition(".")
        payload, _, signature = rest.partition(".")
        for part in (payload, signature):
            assert not part or part not in log, f"the log holds part of a token with header {header}"
    assert not names or TELLTALE not in log, "the log holds the name of a file"
    assert (found := _SQL.search(log)) is None, f"the log holds SQL: {found and found[0][:200]}"


def secrets_of(agent: RunningAgent) -> dict[str, str]:
    """Every secret that the agent's settings give it, by the name of its variable."""
    found = {
        variable.name: agent.environment[variable.name]
        for variable in (entry.variable for entry in catalogue())
        if variable.secret and agent.environment.get(variable.name)
    }
    pem = Path(agent.environment["CRYPTO__ECDH_PRIVATE_KEY_PATH"]).read_text(encoding="utf-8")
    lines = (line for line in pem.splitlines() if len(line) > _SHORTEST_KEY_LINE and "KEY--" not in line)
    return found | {f"line {number} of the private key": line for number, line in enumerate(lines, 1)}
