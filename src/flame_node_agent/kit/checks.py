"""What is wrong with a kit, before anything runs with it. Values are never repeated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flame_node_agent.config.agent_settings import load_sides
from flame_node_agent.config.data_access import load_data_access
from flame_node_agent.config.relay import load_relay
from flame_node_agent.errors import SettingsError
from flame_node_agent.kit.env_text import EnvText
from flame_node_agent.kit.kit_file import read_kit, readable_by_others
from flame_node_agent.kit.making import key_hash
from flame_node_agent.kit.new_trust import given
from flame_node_agent.kit.sections import is_placeholder


class Weight(StrEnum):
    """How bad it is."""

    PROBLEM = "problem"
    WARNING = "warning"


@dataclass(frozen=True)
class KitProblem:
    """One thing that is wrong."""

    where: str
    """A variable, or the file."""
    problem: str
    do: str
    weight: Weight = Weight.PROBLEM

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.do}"


DEFAULT_PASSWORDS = frozenset(
    {
        *(
            "admin",
            "administrator",
            "changeme",
            "change-me",
            "change_me",
            "default",
            "example",
            "flame",
            "flip",
        ),
        *(
            "grafana",
            "guest",
            "minio",
            "minio123",
            "minioadmin",
            "node",
            "omop",
            "orthanc",
            "password",
            "postgres",
        ),
        *("root", "secret", "super_secret", "supersecret", "test", "trust", "xnat"),
    }
)
"""What images and examples come with."""

_UNREADABLE = "names a file that cannot be read"
"""How the settings complain of a file that is not here; a kit names files as the containers see them."""

_SECRET_ENDINGS = ("PASSWORD", "SECRET", "SECRET_KEY", "API_KEY", "SERVICE_KEY", "KEY_BASE64", "PRIVATE_KEY")


def check_kit(path: Path, *, production: bool | None = None) -> list[KitProblem]:
    """Look for everything that would keep a trust from starting, or make it unsafe.

    ``production`` says how default passwords weigh; without it the kit's ENV decides.

    Raises:
        KitError: the file cannot be read.
    """
    kit = read_kit(path)
    if production is None:
        production = kit.values.get("ENV", "").lower() == "production"
    waiting = list(_placeholders(kit))
    told = {problem.where for problem in waiting}
    return [
        *_mode(path),
        *_form(kit),
        *waiting,
        *(problem for problem in _settings(path) if problem.where not in told),
        *_passwords(kit, Weight.PROBLEM if production else Weight.WARNING),
        *_pairs(kit),
    ]


def _mode(path: Path) -> Iterator[KitProblem]:
    if (mode := readable_by_others(path)) is not None:
        yield KitProblem(str(path), f"others may use it (mode {mode})", f"chmod 600 {path}")


def _form(kit: EnvText) -> Iterator[KitProblem]:
    for line in kit.unreadable_lines():
        yield KitProblem(f"line {line}", "is neither a comment nor NAME=value", "correct it")
    for name in kit.given_twice():
        yield KitProblem(name, "is given twice", "leave one of them")
    for name in kit.read_differently():
        yield KitProblem(
            name,
            "is written in a way that Compose and the services read differently",
            "put it in single quotes, without ${ and double backslashes, and comments on lines of their own",
        )


def _placeholders(kit: EnvText) -> Iterator[KitProblem]:
    for name, value in kit.values.items():
        if is_placeholder(value):
            make = value.startswith("<run-make")
            do = "flame-node keys new-trust makes it" if make else "put the real value there"
            yield KitProblem(name, "is still a placeholder", do)


def _settings(path: Path) -> Iterator[KitProblem]:
    """What the services themselves would say at their start."""
    found: dict[str, KitProblem] = {}
    loads: list[Callable[[dict[str, str], Path], object]] = [load_sides, load_data_access]
    if given(read_kit(path), "OMOP_SERVER"):
        loads.append(load_relay)
    for load in loads:
        try:
            load({}, path)
        except SettingsError as error:
            for each in error.problems:
                reason, _, accepts = each.problem.partition("; accepts ")
                do = f"it accepts {accepts}" if accepts else "correct it"
                weight = Weight.PROBLEM
                if reason.startswith(_UNREADABLE):
                    do, weight = "all is well if it is a path within the container", Weight.WARNING
                found.setdefault(each.variable, KitProblem(each.variable, reason, do, weight))
    yield from found.values()


def _passwords(kit: EnvText, weight: Weight) -> Iterator[KitProblem]:
    secrets = kit_secrets(kit)
    for name, value in secrets.items():
        if value.lower() in DEFAULT_PASSWORDS:
            yield KitProblem(name, "is a password that everybody knows", "choose another", weight)
    first: dict[str, str] = {}
    for name, value in secrets.items():
        if (other := first.setdefault(value, name)) != name:
            # Names of two eras for one key are the same on purpose.
            yield KitProblem(name, f"is the same as {other}", "give each its own", Weight.WARNING)


def kit_secrets(kit: EnvText) -> dict[str, str]:
    """The keys and passwords of a kit, by their names; placeholders are none."""
    return {
        name: value
        for name, value in kit.values.items()
        if name.endswith(_SECRET_ENDINGS) and value and not is_placeholder(value)
    }


def _pairs(kit: EnvText) -> Iterator[KitProblem]:
    """What belongs together: in kits of older hubs, the hub's own copies of this trust's keys stand beside them."""
    trust = given(kit, "TRUST_NAME")
    key, internal = given(kit, "TRUST_API_KEY"), given(kit, "TRUST_INTERNAL_SERVICE_KEY")
    if trust and key and (hashes := _table(kit, "TRUST_API_KEY_HASHES")) is not None:
        if hashes.get(trust) is None:
            yield KitProblem(
                "TRUST_API_KEY_HASHES", "has no entry for TRUST_NAME", "flame-node keys show-public shows it"
            )
        elif hashes[trust] != key_hash(key):
            yield KitProblem(
                "TRUST_API_KEY_HASHES",
                "has another hash for TRUST_NAME than that of TRUST_API_KEY",
                "flame-node keys show-public shows the right one",
            )
    keys = _table(kit, "TRUST_INTERNAL_SERVICE_KEYS") or {}
    if trust and internal and keys.get(trust, internal) != internal:
        yield KitProblem(
            "TRUST_INTERNAL_SERVICE_KEYS", "has another key for TRUST_NAME", "make both the same"
        )
    if given(kit, "OMOP_SERVER") and given(kit, "OMOP_DB_SERVICE_NAME") in {None, "omop-db"}:
        yield KitProblem(
            "OMOP_DB_SERVICE_NAME",
            "means the stack's own omop-db, and OMOP_SERVER another database",
            "give it the name of OMOP_SERVER's host, or leave OMOP_SERVER empty",
        )
    if given(kit, "OMOP_DB_HOST") != given(kit, "OMOP_DB_SERVICE_NAME") and given(kit, "OMOP_DB_HOST"):
        yield KitProblem(
            "OMOP_DB_HOST", "is another host than OMOP_DB_SERVICE_NAME", "make both the same", Weight.WARNING
        )


def _table(kit: EnvText, name: str) -> dict[str, str] | None:
    """A JSON object of texts; None when there is none, an empty one when it is something else."""
    if (text := given(kit, name)) is None:
        return None
    try:
        table = json.loads(text)
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in table.items()} if isinstance(table, dict) else {}
