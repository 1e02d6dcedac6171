"""The synthetic OMOP database: its people, and what its reader may not do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from flame_node_agent.devstack.omop.access import OmopAccess
from flame_node_agent.devstack.omop.load import load

FIRST_HUNDRED = (
    "SELECT md5(string_agg(row::text, '|' ORDER BY row::text)) FROM omop.{} AS row WHERE person_id <= 100"
)
OF_PERSONS = (
    "person",
    "observation_period",
    "visit_occurrence",
    "condition_occurrence",
    "drug_exposure",
    "measurement",
    "image_occurrence",
)


@pytest.mark.parametrize("table", OF_PERSONS)
def test_first_persons_are_the_same_whatever_their_number(
    omop: OmopAccess, new_omop: Callable[[int], OmopAccess], table: str
) -> None:
    assert _value(omop.dsn, FIRST_HUNDRED.format(table)) == _value(
        new_omop(150).dsn, FIRST_HUNDRED.format(table)
    )


def test_another_seed_makes_other_persons(omop: OmopAccess, new_omop: Callable[[int], OmopAccess]) -> None:
    other = new_omop(100)
    load(other.owner, 100, reader_password=other.reader_password, seed=7)
    assert _value(omop.dsn, FIRST_HUNDRED.format("person")) != _value(
        other.dsn, FIRST_HUNDRED.format("person")
    )


def test_what_is_loaded_is_kept_and_another_number_replaces_it(new_omop: Callable[[int], OmopAccess]) -> None:
    omop = new_omop(50)
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM omop.person WHERE person_id = 50")
    load(omop.owner, 50, reader_password=omop.reader_password)
    assert _value(omop.dsn, "SELECT count(*) FROM omop.person") == 49
    load(omop.owner, 60, reader_password=omop.reader_password)
    assert _value(omop.dsn, "SELECT count(*) FROM omop.person") == 60


def test_a_load_that_was_broken_off_is_done_again(new_omop: Callable[[int], OmopAccess]) -> None:
    omop = new_omop(50)
    with psycopg.connect(omop.dsn, autocommit=True) as connection:
        connection.execute("COMMENT ON SCHEMA omop IS NULL")
        connection.execute("TRUNCATE omop.person")
    load(omop.owner, 50, reader_password=omop.reader_password)
    assert _value(omop.dsn, "SELECT count(*) FROM omop.person") == 50


@pytest.mark.parametrize(
    ("concept_id", "at_least", "at_most"),
    [(201820, 100, 400), (317009, 150, 350), (255573, 20, 150), (441267, 4, 4)],
    ids=["diabetes", "asthma", "COPD", "a rare condition"],
)
def test_conditions_are_as_common_as_in_a_hospital(
    omop: OmopAccess, concept_id: int, at_least: int, at_most: int
) -> None:
    found = _value(
        omop.dsn,
        "SELECT count(DISTINCT person_id) FROM omop.condition_occurrence JOIN omop.concept_ancestor"
        f" ON descendant_concept_id = condition_concept_id WHERE ancestor_concept_id = {concept_id}",
    )
    assert isinstance(found, int)
    assert at_least <= found <= at_most


def test_some_births_and_sexes_are_unknown_and_ages_reach_from_children_to_the_old(omop: OmopAccess) -> None:
    assert _value(omop.dsn, "SELECT count(*) FROM omop.person WHERE birth_datetime IS NULL") in range(20, 80)
    assert _value(omop.dsn, "SELECT count(*) FROM omop.person WHERE gender_source_value IS NULL") in range(
        1, 20
    )
    decades = _value(omop.dsn, "SELECT count(DISTINCT (2024 - year_of_birth) / 10) FROM omop.person")
    assert decades == 10


def test_studies_have_accession_numbers_that_their_series_share(omop: OmopAccess) -> None:
    assert _value(omop.dsn, "SELECT count(*) FROM omop.image_occurrence WHERE accession_id IS NULL") == 0
    assert (
        _value(omop.dsn, "SELECT count(DISTINCT accession_id) < count(*) FROM omop.image_occurrence") is True
    )
    assert _value(omop.dsn, "SELECT array_agg(DISTINCT modality::text) FROM omop.image_occurrence") == [
        "CT",
        "DX",
        "MR",
    ]


@pytest.mark.parametrize("table", OF_PERSONS[1:])
def test_every_record_is_somebodys_and_after_the_birth(omop: OmopAccess, table: str) -> None:
    date = {
        "observation_period": "observation_period_start_date",
        "visit_occurrence": "visit_start_date",
        "condition_occurrence": "condition_start_date",
        "drug_exposure": "drug_exposure_start_date",
        "measurement": "measurement_date",
        "image_occurrence": "image_occurrence_date",
    }[table]
    assert (
        _value(
            omop.dsn,
            f"SELECT count(*) FROM omop.{table} LEFT JOIN omop.person USING (person_id)"
            f" WHERE year_of_birth IS NULL OR {date} < birth_datetime::date",
        )
        == 0
    )


@pytest.mark.parametrize("table", OF_PERSONS)
def test_every_concept_that_is_used_is_in_the_vocabulary(omop: OmopAccess, table: str) -> None:
    with psycopg.connect(omop.dsn) as connection:
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'omop' AND table_name = %s"
            " AND column_name LIKE '%%concept_id'",
            [table],
        ).fetchall()
        for (column,) in columns:
            unknown = connection.execute(
                f"SELECT DISTINCT {column} FROM omop.{table}"
                f" WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT concept_id FROM omop.concept)"
            ).fetchall()
            assert (column, unknown) == (column, [])


def test_reader_finds_the_tables_without_their_schema(omop: OmopAccess) -> None:
    assert _value(omop.reader_dsn, "SELECT count(*) FROM person") == 2_000


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM omop.person",
        "UPDATE omop.person SET year_of_birth = 1900",
        "INSERT INTO omop.concept SELECT * FROM omop.concept",
        "CREATE TABLE omop.mine (a int)",
        "CREATE TABLE public.mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "COPY omop.person TO PROGRAM 'true'",
        "COPY omop.person TO '/tmp/persons'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('.')",
        "SELECT pg_sleep(1)",
        "SELECT lo_creat(-1)",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_from_bytea(0, 'a')",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_notify('a', 'b')",
        "SELECT pg_terminate_backend(1)",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
        "SELECT query FROM pg_stat_activity",
        "SELECT rolpassword FROM pg_authid",
        "SELECT dblink('', 'SELECT 1')",
        "SET ROLE flame",
    ],
)
def test_reader_may_not(omop: OmopAccess, statement: str) -> None:
    with psycopg.connect(omop.reader_dsn) as connection:
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        connection.commit()
        with pytest.raises(
            (
                psycopg.errors.InsufficientPrivilege,
                psycopg.errors.UndefinedFunction,
                psycopg.errors.InvalidParameterValue,
            )
        ):
            connection.execute(statement)


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_reader_may_enter_no_other_database(omop: OmopAccess, database: str) -> None:
    elsewhere = replace(omop.reader, database=database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(elsewhere.dsn)


def test_readers_transactions_are_read_only_and_end(omop: OmopAccess) -> None:
    assert _value(omop.reader_dsn, "SHOW transaction_read_only") == "on"
    assert _value(omop.reader_dsn, "SHOW statement_timeout") == "5min"
    assert _value(omop.reader_dsn, "SHOW search_path") == "omop"


def test_reader_has_no_powers_and_no_memberships(omop: OmopAccess) -> None:
    powers = "rolsuper OR rolcreatedb OR rolcreaterole OR rolinherit OR rolreplication OR rolbypassrls"
    role = "rolname = 'data_analyst_reader'"
    assert _value(omop.dsn, f"SELECT {powers} FROM pg_roles WHERE {role}") is False
    assert (
        _value(
            omop.dsn, f"SELECT count(*) FROM pg_auth_members JOIN pg_roles r ON r.oid = member WHERE {role}"
        )
        == 0
    )


def _value(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]
