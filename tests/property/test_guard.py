"""Whatever text comes, the guard gives a stable statement or a 400, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flame_node_agent.cohort.guard import guard
from flame_node_agent.cohort.guard.functions import FUNCTIONS
from flame_node_agent.cohort.guard.lexer import Kind, read
from flame_node_agent.cohort.guard.vocabulary import WORDS
from flame_node_agent.errors import Refused
from tests.hostile_sql import CORPUS
from tests.hostile_sql.everyday import EVERYDAY

WORD = st.sampled_from(
    sorted(WORDS | FUNCTIONS | {"pg_sleep", "a", "person", "into", "update", "oid", "xml"})
)
MARK = st.sampled_from(
    ["(", ")", ",", ".", "*", "=", "::", "||", "+", "-", ";", "'x'", '"a"', "1", "[", "]", "--", "/*"]
)
WORDY = st.lists(WORD | MARK, max_size=40).map(" ".join).map("SELECT ".__add__)
EXPRESSION = st.recursive(
    st.sampled_from(
        ["1", "'a'", "person_id", "p.year_of_birth", "NULL", "TRUE", "DATE '2020-01-01'", "p", "p.ctid"]
    ),
    lambda inner: st.one_of(
        st.tuples(
            inner, st.sampled_from(["+", "-", "=", "AND", "OR", "||", "<", "IS DISTINCT FROM"]), inner
        ).map(" ".join),
        st.tuples(st.sampled_from([*sorted(FUNCTIONS), "pg_sleep", '"sum"']), inner).map(
            lambda f: f"{f[0]}({f[1]})"
        ),
        inner.map("({})".format),
        inner.map("CASE WHEN {} THEN 1 END".format),
        inner.map("CAST({} AS text)".format),
        inner.map("{}::int".format),
        inner.map("(SELECT {} FROM person p)".format),
        inner.map("1 IN (SELECT {} FROM secret.canary)".format),
        inner.map("NOT {}".format),
        inner.map("sum({}) OVER (ORDER BY 1)".format),
    ),
    max_leaves=8,
)
QUERY = st.builds(
    "SELECT {} FROM person p {} WHERE {} {}".format,
    EXPRESSION,
    st.sampled_from(
        ["", "JOIN visit_occurrence v USING (person_id)", ", generate_series(1, 2) AS g", "NATURAL JOIN q"]
    ),
    EXPRESSION,
    st.sampled_from(["", "LIMIT 5", "UNION SELECT 1", "ORDER BY 1", "LIMIT 1 + 1", ";", "FOR UPDATE"]),
)
MUTATED = st.builds(
    lambda text, at, piece, cut: text[: at % (len(text) + 1)] + piece + text[at % (len(text) + 1) + cut :],
    st.sampled_from([*EVERYDAY, *(statement for statement, _ in CORPUS if len(statement) < 400)]),
    st.integers(0, 500),
    st.text(max_size=3)
    | st.sampled_from(["'", '"', "--", "/*", "*/", ";", "$$", "\\", "\x00", "(", ")", "::regclass"]),
    st.integers(0, 4),
)


def judged(text: str) -> str | None:
    """The statement that is emitted, or None for a 400."""
    try:
        return guard(text).sql
    except Refused as refused:
        if refused.status != 400:
            raise
        return None


@settings(max_examples=400)
@given(st.text() | WORDY | QUERY | MUTATED)
@example("SELECT\ud800")
def test_any_text_is_refused_or_written_anew_the_same_way_again(text: str) -> None:
    emitted = judged(text)
    if emitted is None:
        return
    assert guard(emitted).sql == emitted
    words = {token.text.lower() for token in read(emitted)[0] if token.kind is Kind.WORD}
    assert words <= WORDS | FUNCTIONS | {"cast", "extract"}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_a_text_value_stays_what_it_was(value: str) -> None:
    literal = "'" + value.replace("'", "''") + "'"
    assert guard(f"SELECT {literal} AS a").sql == f'SELECT {literal} AS "a"'


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=15))
def test_a_quoted_name_stays_what_it_was(name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    assert guard(f"SELECT 1 AS {quoted}").sql == f"SELECT 1 AS {quoted}"


@pytest.mark.parametrize("call", sorted(FUNCTIONS))
def test_a_schema_in_front_of_a_function_is_refused(call: str) -> None:
    for schema in ("omop", "pg_catalog", '"pg_catalog"'):
        with pytest.raises(Refused):
            guard(f"SELECT {schema}.{call}(1)")
