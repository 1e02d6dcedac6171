"""``docs/reference/cli.md`` tells every command with all its options, and none that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from flame_node_agent.cli import COMMANDS, app, load_command
from tests.unit.reference_pages import assert_prose, assert_same, page, rows, sections


def commands() -> Iterator[tuple[str, Any]]:
    """Walk all commands, the groups included."""
    yield "flame-node", typer.main.get_command(app)
    for name in COMMANDS:
        yield from _walk(f"flame-node {name}", load_command(name))


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(f"{path} {name}", below)


def parameters(command: Any) -> set[str]:
    names = {parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
             for parameter in command.params}  # fmt: skip
    return names - {"--help"}


def test_every_command_is_documented() -> None:
    documented = {head for head in sections(page("cli.md")) if head.startswith("flame-node")}
    assert_same(documented, {path for path, _ in commands()}, "cli.md")


@pytest.mark.parametrize("path", [pytest.param(path, id=path) for path, _ in commands()])
def test_every_option_and_argument_is_documented(path: str) -> None:
    told = rows(sections(page("cli.md"))[path])
    assert_same(set(told), parameters(dict(commands())[path]), f"cli.md, {path}")
    for cells in told.values():
        assert_prose(cells[-1])


@pytest.mark.parametrize("name", COMMANDS)
def test_command_says_of_itself_what_the_list_of_commands_says_of_it(name: str) -> None:
    first_line = (load_command(name).help or "").strip().partition("\n")[0]
    assert first_line == COMMANDS[name]
