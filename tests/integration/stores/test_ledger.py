"""The egress ledger: nothing can be changed, and what was changed all the same shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from flame_node_agent.errors import LedgerBroken
from flame_node_agent.stores.database import Connection
from flame_node_agent.stores.ledger import Departure, Ledger, append

from .conftest import Stores

DEPARTURE = Departure(
    upload_id=uuid4(),
    analysis_id=uuid4(),
    project_id=None,
    kind="final",
    name='odd "name" \u00e4\U0001f525.csv',
    size=3,
    sha256="a" * 64,
    sent_size=31,
    sent_sha256="b" * 64,
    destination="https://storage.example/buckets/1",
    sealed_for=uuid4(),
)


async def add(stores: Stores, departure: Departure) -> None:
    async def write(connection: Connection) -> None:
        await append(connection, departure)

    await stores.database.run(write)


async def filled(stores: Stores, rows: int) -> Ledger:
    for number in range(rows):
        await add(stores, replace(DEPARTURE, upload_id=uuid4(), size=number))
    return Ledger(stores.database)


async def test_an_empty_ledger_holds(stores: Stores) -> None:
    assert (await Ledger(stores.database).verify()).rows == 0


async def test_rows_written_at_the_same_time_form_one_chain(stores: Stores) -> None:
    await asyncio.gather(*(add(stores, replace(DEPARTURE, upload_id=uuid4())) for _ in range(25)))
    assert (await Ledger(stores.database).verify()).rows == 25


async def test_one_departure_is_entered_once(stores: Stores) -> None:
    await asyncio.gather(*(add(stores, DEPARTURE) for _ in range(5)))
    assert (await Ledger(stores.database).verify()).rows == 1


@pytest.mark.parametrize(
    "statement",
    ["UPDATE egress_ledger SET size = 0", "DELETE FROM egress_ledger", "TRUNCATE egress_ledger"],
)
async def test_the_database_refuses_to_change_the_ledger(stores: Stores, statement: str) -> None:
    await filled(stores, 2)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        await stores.database.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "message"),
    [
        ("UPDATE egress_ledger SET name = 'harmless.csv' WHERE seq = 2", "row 2 was changed"),
        ("UPDATE egress_ledger SET sealed_for = NULL WHERE seq = 3", "row 3 was changed"),
        ("UPDATE egress_ledger SET left_at = left_at - interval '1 day' WHERE seq = 1", "row 1 was changed"),
        ("DELETE FROM egress_ledger WHERE seq = 2", "row 2 is missing"),
        ("DELETE FROM egress_ledger WHERE seq = 1", "row 1 is missing"),
        (
            "UPDATE egress_ledger SET previous_hash = repeat('0', 64), row_hash = repeat('1', 64) WHERE seq = 4",
            "row 4 does not follow",
        ),
    ],
)
async def test_what_was_changed_behind_its_back_is_found(
    stores: Stores, tampering: str, message: str
) -> None:
    ledger = await filled(stores, 4)
    await stores.database.execute("ALTER TABLE egress_ledger DISABLE TRIGGER egress_ledger_append_only")
    await stores.database.execute(tampering)
    with pytest.raises(LedgerBroken, match=message):
        await ledger.verify()


async def test_a_long_ledger_is_read_in_pages(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flame_node_agent.stores.ledger.PAGE", 3)
    ledger = await filled(stores, 10)
    assert [row.seq async for row in ledger.rows()] == list(range(1, 11))
    assert (await ledger.verify()).rows == 10
