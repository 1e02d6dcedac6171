"""With the guard switched off, every hostile statement is harmless: the role and the transaction see to it.

The statements go through the engine as they are, as the role that answers cohort queries, on a PostgreSQL that holds a
schema with a secret, a large object, a sequence, and sessions of others.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.errors import Refused
from tests.hostile_sql import CORPUS

SECRET = "canary-7d1f"
SECONDS = 1.0

PREPARE = f"""
CREATE SCHEMA secret;
CREATE TABLE secret.canary AS SELECT 1 AS id, '{SECRET}'::text AS note;
CREATE SEQUENCE omop.s;
SELECT lo_from_bytea(0, '{SECRET}');
"""

FINGERPRINT = """
SELECT 'roles', md5(string_agg(r::text, '|' ORDER BY r.oid)) FROM pg_authid r
UNION ALL SELECT 'databases', md5(string_agg(concat(datname, datdba, datacl::text), '|' ORDER BY oid)) FROM pg_database
UNION ALL SELECT 'role settings', md5(string_agg(s::text, '|' ORDER BY s::text)) FROM pg_db_role_setting s
UNION ALL SELECT 'settings', md5(string_agg(concat(name, setting), '|' ORDER BY name)) FROM pg_settings
    WHERE source NOT IN ('client', 'session')
UNION ALL SELECT 'large objects', md5(string_agg(l::text, '|' ORDER BY l.loid, l.pageno)) FROM pg_largeobject l
UNION ALL SELECT 'schemas', md5(string_agg(n::text, '|' ORDER BY n.oid)) FROM pg_namespace n
    WHERE nspname NOT LIKE 'pg_temp%' AND nspname NOT LIKE 'pg_toast_temp%'
UNION ALL SELECT 'relations', md5(string_agg(concat(oid, relname, relnamespace, relowner, relacl::text, relnatts), '|'
    ORDER BY oid)) FROM pg_class
UNION ALL SELECT 'functions', md5(string_agg(concat(oid, proname, prosrc, proacl::text), '|' ORDER BY oid)) FROM pg_proc
UNION ALL SELECT 'extensions', string_agg(extname, '|' ORDER BY oid) FROM pg_extension
UNION ALL SELECT 'slots', count(*)::text FROM pg_replication_slots
UNION ALL SELECT 'origins', count(*)::text FROM pg_replication_origin
UNION ALL SELECT 'sequence', concat(last_value, is_called) FROM omop.s
"""


@dataclass(frozen=True)
class Ground:
    """The database, and a session of somebody else that must live on."""

    omop: OmopAccess
    owner: psycopg.Connection
    other: psycopg.Connection

    def fingerprint(self) -> dict[str, str]:
        """Of everything in the database and cluster that a statement could change."""
        found: dict[str, str] = dict(self.owner.execute(FINGERPRINT).fetchall())
        tables = self.owner.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            row = self.owner.execute(
                sql.SQL(
                    "SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {} t"
                ).format(sql.Identifier(schema, table))
            ).fetchone()
            assert row is not None
            found[f"{schema}.{table}"] = row[0]
        return found


@pytest.fixture(scope="module")
def ground(new_omop: object) -> Iterator[Ground]:
    assert callable(new_omop)
    omop: OmopAccess = new_omop(100)
    with (
        psycopg.connect(omop.dsn, autocommit=True) as owner,
        psycopg.connect(omop.dsn, autocommit=True) as other,
    ):
        owner.execute(PREPARE.encode())
        yield Ground(omop, owner, other)


async def attempt(engine: PostgresEngine, statement: str) -> str:
    """Whatever a statement gives, as text; at most some rows."""
    seen: list[str] = []
    try:
        async with engine.rows(statement) as rows:
            async for batch in rows.batches:
                seen.append(repr(batch))
                if len(seen) > 20:
                    break
    except (Refused, UnicodeEncodeError):
        seen.append("refused")
    return "".join(seen)


async def test_every_hostile_statement_is_harmless_without_the_guard(ground: Ground) -> None:
    engine = PostgresEngine.to(ground.omop.reader_dsn, timeout_seconds=SECONDS, parallel=4)
    before = ground.fingerprint()
    gate = asyncio.Semaphore(4)

    async def judged(statement: str) -> tuple[str, float]:
        async with gate:
            started = time.monotonic()
            found = await attempt(engine, statement)
            return found, time.monotonic() - started

    answers = await asyncio.gather(*(judged(statement) for statement, _ in CORPUS))
    for (_, reason), (found, seconds) in zip(CORPUS, answers, strict=True):
        assert SECRET not in found, reason
        assert "root:x:0" not in found, reason
        assert not re.search(r"SCRAM-SHA-256\$", found), reason
        assert seconds < 30 * SECONDS, reason
    assert ground.fingerprint() == before
    assert ground.other.execute("SELECT 1").fetchone() == (1,)


async def test_a_statement_that_never_ends_is_ended_by_the_server(ground: Ground) -> None:
    engine = PostgresEngine.to(ground.omop.reader_dsn, timeout_seconds=SECONDS, parallel=1)
    endless = (
        "SELECT count(*) FROM generate_series(1, 1000000000000) s",
        "SELECT count(*) FROM omop.person a, omop.person b, omop.person c, omop.person d, omop.person e",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    )
    for statement in endless:
        with pytest.raises(Refused) as refusal:
            async with engine.rows(statement) as rows:
                async for _ in rows.batches:
                    pass
        assert refusal.value.detail == "query_timeout"


async def test_the_session_reads_strings_as_the_guard_does(ground: Ground) -> None:
    """A backslash in a plain string must be a backslash, or quotes could be escaped behind the guard's back."""
    engine = PostgresEngine.to(ground.omop.reader_dsn, timeout_seconds=30, parallel=1)
    row = await engine.aggregate(
        "SELECT current_setting('standard_conforming_strings') AS found, 'a\\' AS text"
    )
    assert row == {"found": "on", "text": "a\\"}
