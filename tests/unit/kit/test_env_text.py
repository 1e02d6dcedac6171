"""Env files change in place, and are read alike by python-dotenv and by Docker Compose."""

from __future__ import annotations

import io

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.kit.env_text import EnvText, quoted
from tests.unit.kit.compose_reader import read_as_compose

UNTOUCHED = """\
# a comment, ünïcode

export EXPORTED=yes
FIRST=1   # why
 INDENTED = spaced
 'ODD'=x
no variable at all
EMPTY=
OPEN=  # to be filled
QUOTED="a # b" # c
LAST='x'"""


def as_dotenv(text: str) -> dict[str, str | None]:
    return dict(dotenv_values(stream=io.StringIO(text)))


@pytest.mark.parametrize("text", [UNTOUCHED, UNTOUCHED.replace("\n", "\r\n"), "", "\n\n", "A=1\n\n\n# end\n"])
def test_text_that_nobody_changes_stays_as_it_is_to_the_byte(text: str) -> None:
    assert str(EnvText(text)) == text


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("FIRST", "FIRST=new   # why"),
        ("EXPORTED", "export EXPORTED=new"),
        ("EMPTY", "EMPTY=new"),
        ("OPEN", "OPEN= new # to be filled"),
        ("QUOTED", "QUOTED=new # c"),
        ("LAST", "LAST=new"),
        ("INDENTED", " INDENTED = new"),
    ],
)
def test_a_value_is_replaced_with_nothing_else_changed(name: str, line: str) -> None:
    text = EnvText(UNTOUCHED)
    assert text.put(name, "new")
    before, after = UNTOUCHED.splitlines(), str(text).splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [line]
    assert text.values[name] == "new"


def test_a_name_that_is_not_there_is_not_put() -> None:
    text = EnvText(UNTOUCHED)
    assert not text.put("FIRS", "new")
    assert str(text) == UNTOUCHED


def test_a_comment_that_looks_like_the_variable_is_left_alone() -> None:
    text = EnvText("# KEY=old\nKEY=1\n")
    text.put("KEY", "2")
    assert str(text) == "# KEY=old\nKEY=2\n"


def test_of_a_name_given_twice_the_one_that_counts_is_replaced_and_both_are_told() -> None:
    text = EnvText("KEY=1\nKEY=2\n")
    text.put("KEY", "3")
    assert str(text) == "KEY=1\nKEY=3\n"
    assert as_dotenv(str(text))["KEY"] == "3"
    assert text.given_twice() == ["KEY"]


def test_a_new_variable_goes_behind_its_neighbours() -> None:
    text = EnvText("A=1\nB=2\n\n# ── next ──\nC=3\n")
    text.insert("NEW", "x", after=("A", "B"), heading="# ── first ──")
    assert str(text) == "A=1\nB=2\nNEW=x\n\n# ── next ──\nC=3\n"


def test_without_neighbours_it_goes_below_the_heading_which_is_made_if_need_be() -> None:
    text = EnvText("# ── first ──\n\n# ── next ──\nC=3")
    text.insert("NEW", "x", after=("A",), heading="# ── first ──")
    text.insert("OTHER", "y", after=("B",), heading="# ── third ──")
    assert str(text) == "# ── first ──\nNEW=x\n\n# ── next ──\nC=3\n\n# ── third ──\nOTHER=y\n"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain-value_1", "plain-value_1"),
        ("kh2rz10+/A=", "kh2rz10+/A="),
        ("", ""),
        ("two words", "'two words'"),
        ("a#b", "'a#b'"),
        ("pa$$word", "'pa$$word'"),
        ('say "hi"', "'say \"hi\"'"),
        ("it's", '"it\'s"'),
        ("back\\slash", '"back\\\\slash"'),
    ],
)
def test_values_are_written_so_that_both_readers_agree(value: str, written: str) -> None:
    assert quoted(value) == written
    assert as_dotenv(f"KEY={written}\n") == {"KEY": value}
    assert read_as_compose(f"KEY={written}\n") == {"KEY": value}


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20))
def test_whatever_can_be_written_is_read_alike(value: str) -> None:
    try:
        line = f"KEY={quoted(value)}\n"
    except ValueError:
        assert "$" in value
        return
    assert as_dotenv(line) == {"KEY": value}
    assert read_as_compose(line) == {"KEY": value}


@pytest.mark.parametrize("value", ["two\nlines", "${HOME}", "it's $5", "\x00"])
def test_what_cannot_be_written_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(ValueError) as refused:
        quoted(value)
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    ("line", "doubtful"),
    [
        ("KEY=a$b", True),
        ('KEY="a$b"', True),
        ("KEY='a$b'", False),
        ("KEY='a${b}'", True),
        ("KEY='a\\\\b'", True),
        ("KEY=ab", False),
        ("KEY=", False),
        ("KEY=ab # a comment", False),
        ("KEY= # a comment", True),
    ],
)
def test_values_that_compose_would_read_otherwise_are_found(line: str, doubtful: bool) -> None:
    assert EnvText(line).read_differently() == (["KEY"] if doubtful else [])
    if not doubtful:
        assert read_as_compose(line) == as_dotenv(line)


def test_lines_that_are_nothing_are_found_by_their_number() -> None:
    assert EnvText("A=1\n'unfinished\nB=2\n").unreadable_lines() == [2]
