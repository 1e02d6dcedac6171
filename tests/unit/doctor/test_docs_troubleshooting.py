"""The troubleshooting table names lines that the doctor, the stack's scripts and provisioning really say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from flame_node_agent.doctor.checks import CHECKS
from tests.unit.reference_pages import ROOT, sections

PAGE = (ROOT / "docs/howto/troubleshoot-a-trust.md").read_text("utf-8")
NAMES = {check.name for check in CHECKS}
HEAD = "| what you see | the line that tells why | what to do |"
OF_OPENSSL = {": unable to get local issuer certificate", ": certificate has expired"}
"""Texts that the agent passes on; they are OpenSSL's."""


def table_rows() -> Iterator[list[str]]:
    for body in sections(PAGE).values():
        if HEAD in body:
            for line in body.partition(HEAD)[2].splitlines()[2:]:
                if not line.startswith("|"):
                    break
                yield [cell.strip() for cell in line.split("|")[1:-1]]


LINES = [
    line.removeprefix("✘ ") for row in table_rows() for line in re.findall(r"`((?:✘ |The FL).*?)`", row[1])
]


def _said() -> str:
    """Everything that can be said, with texts that are written over several lines of code as one."""
    python = [
        path.read_text("utf-8")
        for folder in ("src/flame_node_agent", "scripts/provision")
        for path in (ROOT / folder).rglob("*.py")
    ]
    joined = [re.sub(r"""["']\s*\n\s*f?["']""", "", text) for text in python]
    shell = [path.read_text("utf-8") for path in (ROOT / "trust/scripts").glob("*.sh")]
    return "\n".join(joined + shell)


SAID = _said()


def _check_of(line: str) -> str | None:
    name, _, rest = line.partition(" ")
    return name if rest.startswith(" ") or rest == "" else None


def test_every_row_has_a_symptom_a_line_and_something_to_do() -> None:
    rows = list(table_rows())
    assert len(rows) >= 40
    for symptom, line, do in rows:
        assert symptom
        assert line.startswith("`") or line == "none", line
        assert do.endswith((".", ")", "?")), do


@pytest.mark.parametrize("line", LINES)
def test_line_is_really_said(line: str) -> None:
    if (name := _check_of(line)) is not None:
        assert name in NAMES
        line = line.removeprefix(name)
    for piece in (part.strip(" ") for part in line.split("…")):
        # What a shell script puts between quotation marks ends a piece too.
        assert piece in SAID or any(piece in text for text in OF_OPENSSL), piece


def test_every_check_of_the_doctor_is_in_the_table() -> None:
    told = {name for name in map(_check_of, LINES) if name}
    told |= set(re.findall(r"`✘ ([a-z-]+)`", PAGE))
    assert NAMES - told == set()
    assert told - NAMES == set()


def test_every_row_of_flips_own_table_is_there() -> None:
    text = PAGE.lower()
    assert "does not poll" in text
    assert "connection timed out" in text
    assert "firewall" in text
    assert "ansible `permission denied`" in text


@pytest.mark.parametrize("name", ["howto/find-out-what-is-wrong.md", "tutorial/from-a-bare-host.md"])
def test_reports_that_pages_show_have_lines_of_the_doctor_alone(name: str) -> None:
    shown = re.findall(r"^[✔✘–] +([a-z-]+)  ", (ROOT / "docs" / name).read_text("utf-8"), re.MULTILINE)
    assert len(shown) > 10
    assert set(shown) <= NAMES


def test_log_lines_that_the_tutorial_shows_are_events() -> None:
    known = set(
        re.findall(r"^\| `([a-z_.]+)` \|", (ROOT / "docs/reference/log-events.md").read_text(), re.MULTILINE)
    )
    shown = set(
        re.findall(r'"event": "([a-z_.]+)"', (ROOT / "docs/tutorial/from-a-bare-host.md").read_text("utf-8"))
    )
    assert "poller.polled" in shown
    assert shown <= known
