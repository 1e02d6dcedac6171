"""The node's database, data-access-api and the OMOP role, as the doctor sees them: all of them real."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from flame_node_agent.devstack.omop.access import READER, OmopAccess
from flame_node_agent.devstack.postgres import PostgresAccess
from flame_node_agent.doctor.examination import examine
from flame_node_agent.doctor.findings import Finding, State
from flame_node_agent.doctor.ground import Ground, Service
from tests.conftest import DataAccessEnvironmentFactory
from tests.integration.doctor.conftest import Examined
from tests.integration.doctor.verdicts import assert_unseen, assert_well, assert_wrong

# The node's own database


async def test_a_database_with_all_migrations_is_well(
    examined: Examined, postgres_database: Callable[[], PostgresAccess]
) -> None:
    database = postgres_database()
    empty = await examined(database=database)
    assert_wrong(empty["database"], "empty", "start the agent")
    assert_well((await examined(database=database, migrated=True))["database"], "migrations are applied")


async def test_a_database_of_an_older_or_a_newer_release(
    examined: Examined, postgres_database: Callable[[], PostgresAccess]
) -> None:
    database = postgres_database()
    await examined(database=database, migrated=True)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration (name) VALUES ('9999_of_tomorrow')")
        newer = await examined(database=database)
        connection.execute("DELETE FROM schema_migration WHERE name ~ '^(9999|0007)'")
        older = await examined(database=database)
    assert_wrong(newer["database"], "9999_of_tomorrow", "release")
    assert_wrong(older["database"], "0007", "start the agent")


async def test_a_database_that_is_away(examined: Examined) -> None:
    findings = await examined(POSTGRES__PORT="9")
    assert_wrong(findings["database"], "refused", "POSTGRES__HOST")


async def test_a_database_that_is_not_there(examined: Examined) -> None:
    findings = await examined(POSTGRES__DB="nobodys")
    assert_wrong(findings["database"], "nobodys", "POSTGRES__DB")


async def test_a_password_that_is_wrong(examined: Examined) -> None:
    findings = await examined(POSTGRES__PASSWORD="nobodys-password-4711")
    assert_wrong(findings["database"], "authentication failed", "POSTGRES__PASSWORD")
    assert "4711" not in repr(findings)


# data-access-api, from the agent


async def test_a_data_access_api_that_takes_the_key(
    examined: Examined, data_access: Callable[..., object]
) -> None:
    url = data_access().url
    assert_well((await examined(data_access_url=url))["data-access"], "accepts the internal key")
    wrong = await examined(data_access_url=url, TRUST_INTERNAL_SERVICE_KEY="nobodys-key-4711")
    assert_wrong(wrong["data-access"], "Invalid trust-internal", "TRUST_INTERNAL_SERVICE_KEY")
    keyless = await examined(data_access_url=url, TRUST_INTERNAL_SERVICE_KEY="")
    assert_wrong(keyless["data-access"], "is not set", "same")


async def test_a_data_access_api_that_is_away_or_something_else(examined: Examined, hub: object) -> None:
    assert_wrong((await examined())["data-access"], "ConnectError", "DATA_ACCESS_API_URL")
    other = await examined(data_access_url=hub.urls.api)
    assert_wrong(other["data-access"], "", "DATA_ACCESS_API_URL")


# The OMOP role, from data-access-api


@pytest.fixture(scope="module")
def own_omop(new_omop: Callable[[int], OmopAccess]) -> OmopAccess:
    return new_omop(10)


@pytest.fixture
def owner(own_omop: OmopAccess) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own_omop.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def omop_finding(own_omop: OmopAccess, data_access_env: DataAccessEnvironmentFactory):
    async def look(**overrides: str) -> Finding:
        environment = data_access_env(omop=own_omop, **overrides)
        findings = await examine(Ground.load(Service.DATA_ACCESS, env=environment, env_file=None))
        assert set(findings) == {"settings", "kit", "dns", "database", "omop-role", "disk", "published"}
        return findings["omop-role"]

    return look


async def test_a_role_that_reads_and_nothing_else(omop_finding: Callable[..., object]) -> None:
    assert_well(await omop_finding(), f"{READER} may read")


@pytest.mark.parametrize(
    ("grant", "revoke", "said"),
    [
        (
            "GRANT INSERT ON omop.person TO {}",
            "REVOKE INSERT ON omop.person FROM {}",
            "may write omop.person",
        ),
        (
            "GRANT UPDATE (year_of_birth) ON omop.person TO {}",
            "REVOKE UPDATE (year_of_birth) ON omop.person FROM {}",
            "may write omop.person",
        ),
        (
            "GRANT TRUNCATE ON omop.person TO PUBLIC",
            "REVOKE TRUNCATE ON omop.person FROM PUBLIC",
            "may write",
        ),
        (
            "GRANT CREATE ON SCHEMA omop TO {}",
            "REVOKE CREATE ON SCHEMA omop FROM {}",
            "create in schema omop",
        ),
        ("GRANT CREATE ON DATABASE {db} TO {}", "REVOKE CREATE ON DATABASE {db} FROM {}", "create schemas"),
        ("GRANT pg_read_server_files TO {}", "REVOKE pg_read_server_files FROM {}", "pg_read_server_files"),
        ("ALTER ROLE {} CREATEROLE", "ALTER ROLE {} NOCREATEROLE", "is CREATEROLE"),
        ("ALTER ROLE {} SUPERUSER", "ALTER ROLE {} NOSUPERUSER", "is superuser"),
    ],
)
async def test_a_role_that_may_do_more(
    omop_finding: Callable[..., object],
    own_omop: OmopAccess,
    owner: psycopg.Connection,
    grant: str,
    revoke: str,
    said: str,
) -> None:
    owner.execute(grant.format(READER, db=own_omop.owner.database))
    try:
        finding = await omop_finding()
    finally:
        owner.execute(revoke.format(READER, db=own_omop.owner.database))
    assert_wrong(finding, said, "REVOKE")


async def test_a_role_that_may_read_elsewhere_is_told_and_not_wrong(
    omop_finding: Callable[..., object], owner: psycopg.Connection
) -> None:
    owner.execute("CREATE TABLE public.waiting_list (name text)")
    owner.execute(
        f"GRANT USAGE ON SCHEMA public TO {READER}; GRANT SELECT ON public.waiting_list TO {READER}"
    )
    try:
        finding = await omop_finding()
    finally:
        owner.execute(f"DROP TABLE public.waiting_list; REVOKE USAGE ON SCHEMA public FROM {READER}")
    assert finding.state is State.OK
    assert "public.waiting_list elsewhere" in finding.seen
    assert "REVOKE SELECT" in finding.do


async def test_a_role_that_may_read_nothing(
    omop_finding: Callable[..., object], owner: psycopg.Connection
) -> None:
    owner.execute(f"REVOKE USAGE ON SCHEMA omop FROM {READER}")
    try:
        finding = await omop_finding()
    finally:
        owner.execute(f"GRANT USAGE ON SCHEMA omop TO {READER}")
    assert_wrong(finding, "may read nothing", "GRANT")


async def test_an_omop_database_that_does_not_let_the_role_in(omop_finding: Callable[..., object]) -> None:
    finding = await omop_finding(DATA_ACCESS_POSTGRES_PASSWORD="nobodys-password-4711")
    assert_wrong(finding, "authentication failed", "password")
    assert "4711" not in repr(finding)
    assert_wrong(await omop_finding(OMOP_DB_PORT="9"), "refused", "OMOP_DB_PORT")


async def test_settings_that_cannot_be_used_leave_nothing_to_look_at(
    omop_finding: Callable[..., object],
) -> None:
    assert_unseen(await omop_finding(COHORT_QUERY_THRESHOLD="1"), "settings")
