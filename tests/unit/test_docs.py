"""The reference tells all there is, and nothing that is gone: settings, tables, errors, dependencies.

Each page of ``docs/reference`` lists things of one kind. Here, and in the other files ``test_docs_*``, they are
compared with what the code really has, both ways.
"""

from __future__ import annotations

import re
import tomllib

import pytest

from flame_node_agent import errors
from flame_node_agent.config.catalogue import READERS, Entry, catalogue
from flame_node_agent.config.introspection import variables
from tests.unit.reference_pages import ROOT, SOURCE, assert_prose, assert_same, page, rows, sections

# Settings


def variable_row(entry: Entry) -> list[str]:
    """What the page has to say of a variable; to be copied into it when something was changed."""
    variable = entry.variable
    if variable.needed_when:
        default = f"needed when `{variable.needed_when}`".replace(" is ", "` is `").replace(" or ", "` or `")
    elif variable.required:
        default = "**required**"
    else:
        default = f"`{variable.default}`" if variable.default else "not set"
    default += "".join(f"; in {reader} `{other}`" for reader, other in entry.other_defaults)
    others = (
        f" Also understood as {' or '.join(f'`{name}`' for name in variable.also_named)}."
        if variable.also_named
        else ""
    )
    return [variable.description + others, variable.accepts, default]


def test_every_setting_is_documented() -> None:
    assert_same(set(rows(page("settings.md"))), {entry.variable.name for entry in catalogue()}, "settings.md")


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.variable.name)
def test_setting_is_documented_as_it_is_declared(entry: Entry) -> None:
    wanted = variable_row(entry)
    line = " | ".join([f"| `{entry.variable.name}`", *(cell.replace("|", "\\|") for cell in wanted)]) + " |"
    assert rows(page("settings.md")).get(entry.variable.name) == wanted, (
        f"docs/reference/settings.md needs the row:\n{line}"
    )
    assert_prose(entry.variable.description)


@pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.variable.name)
def test_setting_is_documented_with_the_services_that_read_it(entry: Entry) -> None:
    (section,) = [
        body for body in sections(page("settings.md")).values() if entry.variable.name in rows(body)
    ]
    (told,) = re.findall(r"^Read by (.+)\.$", section, re.MULTILINE)
    assert told == ", ".join(entry.read_by)


def test_settings_of_several_services_mean_the_same_in_each() -> None:
    for root in READERS.values():
        for variable in variables(root):
            (told,) = [each.variable for each in catalogue() if each.variable.name == variable.name]
            one, other = ((v.group, v.description, v.accepts, v.required) for v in (told, variable))
            assert one == other


# Tables of the database


def tables() -> dict[str, set[str]]:
    """Read the columns of every table from the migrations."""
    found: dict[str, set[str]] = {}
    for path in sorted((SOURCE / "stores" / "migrations").glob("*.sql")):
        sql = re.sub(r"--.*", "", path.read_text("utf-8"))
        for name, body in re.findall(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)\n\);", sql, re.DOTALL):
            lines = re.findall(r"^    (\w+) ", body, re.MULTILINE)
            found[name] = {word for word in lines if word.islower()}
        for name, column in re.findall(r"ALTER TABLE (\w+)\s+ADD COLUMN (?:IF NOT EXISTS )?(\w+)", sql):
            found[name].add(column)
        for name in re.findall(r"DROP TABLE (?:IF EXISTS )?(\w+)", sql):
            del found[name]
    return found


def test_every_table_is_documented() -> None:
    assert_same(set(sections(page("tables.md"))), set(tables()) | {"schema_migration"}, "tables.md")


@pytest.mark.parametrize("name", tables())
def test_every_column_is_documented(name: str) -> None:
    told = rows(sections(page("tables.md"))[name])
    assert_same(set(told), tables()[name], f"tables.md, {name}")
    for cells in told.values():
        assert_prose(cells[-1])


# Errors


def error_classes() -> dict[str, type[BaseException]]:
    found = {name: value for name, value in vars(errors).items() if isinstance(value, type)}
    return {name: value for name, value in found.items() if issubclass(value, BaseException)}


def test_every_error_is_documented() -> None:
    assert_same(set(rows(page("errors.md"))), set(error_classes()), "errors.md")


@pytest.mark.parametrize("name", error_classes())
def test_error_is_documented_with_what_the_agent_does_about_it(name: str) -> None:
    repeated, *prose = rows(page("errors.md"))[name]
    error = error_classes()[name]
    assert repeated == ("yes" if errors.is_retryable(error.__new__(error)) else "no")
    for text in prose:
        assert_prose(text)


# Dependencies


def dependencies() -> set[str]:
    """Read the names of all direct dependencies, the extras' included, from ``pyproject.toml``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    return {re.split(r"[^A-Za-z0-9-]", requirement)[0] for requirement in requirements} - {project["name"]}


def test_every_dependency_is_documented_with_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    told = set(re.findall(r"^\| ([a-z0-9-]+) \| .+\. \|$", text, re.MULTILINE))
    assert_same(told, dependencies(), "../dependencies.md")
