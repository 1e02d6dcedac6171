"""The guard refuses every hostile statement, with 400 and a text that quotes none of it."""

from __future__ import annotations

import time

import pytest

from flame_node_agent.cohort.guard import guard
from flame_node_agent.errors import Refused
from tests.hostile_sql import CORPUS


@pytest.mark.parametrize(
    ("statement", "reason"), CORPUS, ids=[f"{n}: {r}" for n, (_, r) in enumerate(CORPUS)]
)
def test_a_hostile_statement_is_refused(statement: str, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        guard(statement)
    assert refusal.value.status == 400, reason
    assert len(refusal.value.detail) < 2500


def test_the_corpus_has_at_least_180_statements_each_with_a_reason() -> None:
    assert len({statement for statement, _ in CORPUS}) >= 180
    assert all(reason.partition(": ")[2] for _, reason in CORPUS)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("SELECT " + "1" * 10234, "Query exceeds maximum length of 10240 characters."),
        ("SELECT (", "Could not parse SQL query: syntax error at line 1, column 8."),
        ("SELECT 1; SELECT 2", "Exactly one SQL statement is allowed per request."),
        ("SELECT 1;;", "Exactly one SQL statement is allowed per request."),
        ("SELECT 1; ;", "Exactly one SQL statement is allowed per request."),
        ("", "Exactly one SQL statement is allowed per request."),
        ("DROP TABLE person", "Only SELECT statements are allowed."),
        ("VALUES (1)", "Only SELECT statements are allowed."),
        (
            "WITH x AS (DELETE FROM person RETURNING *) SELECT * FROM x",
            "Data-modifying statements are not allowed.",
        ),
        ("SELECT * INTO x FROM person", "Data-modifying statements are not allowed."),
        (
            "SELECT * FROM PG_Catalog.pg_class",
            "Schema 'pg_catalog' is not accessible. Only the 'omop' schema is allowed.",
        ),
        (
            'SELECT * FROM "OMOP".person',
            "Schema 'OMOP' is not accessible. Only the 'omop' schema is allowed.",
        ),
        ("SELECT * FROM other.omop.person", "Cross-database table references are not allowed."),
        (
            "SELECT * FROM pg_ls_dir('/')",
            "'pg_ls_dir' is not an allowed function. Allowed: generate_series, unnest",
        ),
        ("SELECT 1 LIMIT ALL", "LIMIT must be a literal integer."),
        ("SELECT 1 LIMIT CASE WHEN true THEN 1 END", "LIMIT must be a literal integer."),
        ("SELECT 1 OFFSET 1 + 1", "OFFSET must be a literal integer."),
        ("SELECT " + "NOT " * 2000 + "true", "Could not validate query."),
    ],
)
def test_a_refusal_has_the_text_of_data_access_api(query: str, detail: str) -> None:
    with pytest.raises(Refused) as refusal:
        guard(query)
    assert (refusal.value.status, refusal.value.detail) == (400, detail)


def test_a_function_that_is_not_allowed_is_named_with_those_that_are() -> None:
    with pytest.raises(Refused, match=r"'pg_sleep' is not an allowed function\. Allowed: abs, age, "):
        guard("SELECT pg_sleep(1)")


def test_a_refusal_quotes_no_value() -> None:
    for query in (
        "SELECT 'hunter2' 'x'",
        "SELECT (1 'hunter2'",
        "SELECT 'hunter2'::xml",
        "COPY x TO 'hunter2'",
    ):
        with pytest.raises(Refused) as refusal:
            guard(query)
        assert "hunter2" not in refusal.value.detail


def test_the_parser_logs_no_sql(caplog: pytest.LogCaptureFixture) -> None:
    for query in ("VACUUM hunter2", "EXECUTE hunter2", "ALTER TABLE hunter2 FROB", "SELECT hunter2(1"):
        with pytest.raises(Refused):
            guard(query)
    assert "hunter2" not in caplog.text


def test_the_longest_queries_are_judged_in_bounded_time() -> None:
    """Generous, for slow machines: what is looked for is work that doubles, or is squared, with the length."""
    started = time.process_time()
    for query in (
        "SELECT 1 FROM a" + ",b" * 5000,
        "SELECT 1" + "+1" * 5000,
        "SELECT 1 FROM person WHERE person_id IN (" + "1," * 5000 + "1)",
        "SELECT a" + "[1]" * 3000,
        "SELECT " + "ARRAY[" * 300 + "1" + "]" * 300,
        "SELECT " + "int(" * 1000 + "1" + ")" * 1000,
    ):
        try:
            guard(query)
        except Refused:
            continue
    assert time.process_time() - started < 15
