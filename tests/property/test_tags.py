"""The rule for tags, said in three ways."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from flame_node_agent.results.tags import is_valid

UPSTREAM = re.compile(r"[a-z0-9]{1,2}|[a-z0-9][a-z0-9-]{,30}[a-z0-9]")
ALLOWED = "abcdefghijklmnopqrstuvwxyz0123456789-"

likely = st.text(ALLOWED, max_size=34)
anything = st.text(max_size=40)


@given(likely | anything)
def test_rule_is_that_of_the_node_result_service(tag: str) -> None:
    assert is_valid(tag) == (UPSTREAM.fullmatch(tag) is not None)


@given(likely | anything)
def test_valid_tag_has_the_form_that_is_documented(tag: str) -> None:
    documented = (
        1 <= len(tag) <= 32 and set(tag) <= set(ALLOWED) and not tag.startswith("-") and not tag.endswith("-")
    )
    assert is_valid(tag) == documented


@given(likely, st.characters(), st.integers(min_value=0, max_value=34))
def test_one_strange_character_makes_a_tag_invalid(tag: str, character: str, place: int) -> None:
    spoiled = tag[:place] + character + tag[place:]
    if character not in ALLOWED:
        assert not is_valid(spoiled)
