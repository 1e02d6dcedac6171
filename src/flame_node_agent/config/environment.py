"""Finding the variables: process environment before ``.env``, other names before defaults.

An empty value counts as not given, as charts and compose files pass ``NAME=`` for what nobody has set.
Unknown names are ignored. Names are not case-sensitive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from flame_node_agent.config.introspection import Variable
from flame_node_agent.errors import SettingsError, SettingsProblem

ENVIRONMENT = "environment"
ENV_FILE = Path(".env")


@dataclass(frozen=True)
class Found:
    """A value, and where it came from."""

    value: str
    given_as: str
    """The name under which it was given: the variable's own, or an alias."""
    source: str
    """``environment``, or the name of the ``.env`` file."""


@dataclass(frozen=True)
class Findings:
    """Everything that was found, and every variable that was given twice with different values."""

    values: Mapping[str, Found]
    problems: tuple[SettingsProblem, ...]


def find(known: Iterable[Variable], environment: Mapping[str, str], env_file: Path | None) -> Findings:
    """Look up the ``known`` variables in ``environment`` and, behind it, in ``env_file``.

    Raises:
        SettingsError: when ``env_file`` cannot be read, or is missing and not the default one.
    """
    sources = [(ENVIRONMENT, _usable(environment))]
    if env_file is not None:
        sources.append((env_file.name, _usable(read_env_file(env_file))))
    values: dict[str, Found] = {}
    problems: list[SettingsProblem] = []
    for variable in known:
        for source, given in sources:
            names = [name for name in (variable.name, *variable.also_named) if name in given]
            if not names:
                continue
            values[variable.name] = Found(given[names[0]], given_as=names[0], source=source)
            problems += [
                SettingsProblem(
                    variable.name,
                    f"differs from {other}, which means the same, so only one of them may be set; "
                    f"accepts {variable.accepts}",
                )
                for other in names[1:]
                if given[other] != given[names[0]] and other not in variable.giving_way
            ]
            break
    return Findings(values, tuple(problems))


def read_env_file(path: Path) -> dict[str, str | None]:
    """Read a ``.env`` file, with pydantic-settings' reader; the default one may be missing.

    Raises:
        SettingsError: when it cannot be read.
    """
    if path != ENV_FILE and not path.exists():
        raise SettingsError([SettingsProblem(str(path), "cannot be read: No such file or directory")])
    try:
        source = DotEnvSettingsSource(
            BaseSettings, env_file=path, env_file_encoding="utf-8", case_sensitive=True
        )
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError([SettingsProblem(str(path), f"cannot be read: {reason}")]) from None
    return dict(source.env_vars)


def _usable(given: Mapping[str, str | None]) -> dict[str, str]:
    """Drop empty values; where two spellings of a name differ in case only, the one in capitals counts."""
    exact_last = sorted(given.items(), key=lambda item: item[0].isupper())
    return {name.upper(): value for name, value in exact_last if value}
