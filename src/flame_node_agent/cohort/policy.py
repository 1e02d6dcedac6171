"""The trust's access policy: which projects may have which kind of answer, and from which cohort size on.

A TOML file (FLIP data-access-api, governance policy). It can only tighten: no size in it may be below the trust's
threshold, and a file that is not understood to the last key stops the start.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from flame_node_agent.errors import SettingsError, SettingsProblem

VARIABLE = "ACCESS_POLICY_FILE"


class Action(StrEnum):
    """What a rule is about."""

    STATISTICS = "cohort.statistics"
    DATAFRAME = "cohort.dataframe"
    ACCESSION_IDS = "cohort.accession_ids"


class Effect(StrEnum):
    """What a rule does."""

    PERMIT = "permit"
    DENY = "deny"


CohortSize = Annotated[int, Field(strict=True)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Rule(_Table):
    """One rule; without ``projects`` it is about all."""

    id: Annotated[str, Field(strict=True, min_length=1)]
    action: Action
    effect: Effect
    projects: Annotated[frozenset[UUID] | None, Field(min_length=1)] = None
    min_cohort_size: CohortSize | None = None

    @field_validator("projects", mode="before")
    @classmethod
    def _a_list(cls, projects: Any) -> Any:
        if not isinstance(projects, list) or not all(isinstance(project, str) for project in projects):
            raise ValueError("is no list of project ids")
        return projects

    @model_validator(mode="after")
    def _deny_has_no_size(self) -> Self:
        if self.effect is Effect.DENY and self.min_cohort_size is not None:
            raise ValueError("a deny has no min_cohort_size: it denies cohorts of every size")
        return self

    def covers(self, action: Action, project: UUID | None) -> bool:
        """Whether the rule is about this action of this project."""
        return self.action is action and (self.projects is None or project in self.projects)


class _Disclosure(_Table):
    min_cohort_size: CohortSize | None = None


class _Access(_Table):
    rule: tuple[Rule, ...] = ()


class _Document(_Table):
    disclosure: _Disclosure = _Disclosure()
    access: _Access = _Access()
    fl_privacy: dict[str, Any] = Field(default_factory=dict)
    """Of the FL client; not read here."""


@dataclass(frozen=True)
class Decision:
    """What the policy says; ``rule`` is for the log, never for the caller."""

    permit: bool
    rule: str
    threshold: int
    """Least number of distinct subjects."""


@dataclass(frozen=True)
class Policy:
    """A policy in force, or, without ``source``, none."""

    floor: int
    """Least number of distinct subjects, whatever a rule says: the trust's threshold, or the file's own."""
    rules: tuple[Rule, ...] = ()
    source: Path | None = None
    sha256: str = ""

    @classmethod
    def load(cls, path: Path | None, floor: int) -> Policy:
        """Read the policy, or give the one that permits everything from ``floor`` subjects on.

        Raises:
            SettingsError: it cannot be read, or is not understood, or would lower the threshold.
        """
        if path is None:
            return cls(floor)
        content = _content(path)
        document = _parse(content)
        problems = list(_contradictions(document, floor))
        if problems:
            raise _refusal(*problems)
        section = document.disclosure.min_cohort_size or floor
        return cls(section, document.access.rule, path, hashlib.sha256(content).hexdigest())

    def decide(self, action: Action, project: UUID | None) -> Decision:
        """Decide on an action; ``project`` is None for a project whose id is no UUID.

        A deny overrides; of several permits the strictest counts; an action that rules speak of is denied to
        projects that none of them permits.
        """
        if self.source is None:
            return Decision(permit=True, rule="default.unset", threshold=self.floor)
        about = [rule for rule in self.rules if rule.action is action]
        if not about:
            return Decision(permit=True, rule="default.unmentioned", threshold=self.floor)
        if project is None and any(rule.projects is not None for rule in about):
            return self._denied("default.invalid_project")
        matching = [rule for rule in about if rule.covers(action, project)]
        denials = [rule for rule in matching if rule.effect is Effect.DENY]
        if denials:
            return self._denied(denials[0].id)
        if not matching:
            return self._denied("default.deny")
        strictest = max(matching, key=lambda rule: rule.min_cohort_size or 0)
        threshold = max(self.floor, strictest.min_cohort_size or 0)
        return Decision(permit=True, rule=strictest.id, threshold=threshold)

    def _denied(self, rule: str) -> Decision:
        return Decision(permit=False, rule=rule, threshold=self.floor)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refusal(f"names a file that cannot be read ({error.strerror})") from None


def _parse(content: bytes) -> _Document:
    try:
        tables = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise _refusal("names a file that is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _refusal(f"names a file that is not TOML: {error}") from None
    if not tables:
        raise _refusal("names an empty policy; leave the variable unset to have none")
    try:
        return _Document.model_validate(tables)
    except ValidationError as error:
        raise _refusal(*(_told(details["loc"], details) for details in error.errors())) from None


def _told(location: tuple[int | str, ...], details: Any) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if details["type"] == "extra_forbidden":
        return f"{where}: is not a key of a policy"
    reason = str(details["ctx"]["error"]) if details["type"] == "value_error" else details["msg"]
    return f"{where}: {reason}"


def _contradictions(document: _Document, floor: int) -> Iterator[str]:
    section = document.disclosure.min_cohort_size
    if section is not None and section < floor:
        yield f"disclosure.min_cohort_size: {section} is below the trust's threshold of {floor}"
    least = max(floor, section or 0)
    seen: set[str] = set()
    for rule in document.access.rule:
        if rule.id in seen:
            yield f"access.rule: two rules have the id '{rule.id}'"
        seen.add(rule.id)
        if rule.min_cohort_size is not None and rule.min_cohort_size < least:
            yield f"rule '{rule.id}': min_cohort_size {rule.min_cohort_size} is below the threshold of {least}"


def _refusal(*problems: str) -> SettingsError:
    return SettingsError([SettingsProblem(VARIABLE, problem) for problem in problems])
