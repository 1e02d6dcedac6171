"""The egress ledger: one row for everything that left this node, chained by hashes.

``row_hash`` is the SHA-256 of the row's other fields as canonical JSON (sorted keys, no spaces, UTF-8), in which
``previous_hash`` is the hash of the row before; the first row's is 64 zeros. Changing, removing or reordering any row
breaks every hash after it. Cutting rows off the end does not: compare the head with one noted elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg.rows import DictRow

from flame_node_agent.errors import LedgerBroken
from flame_node_agent.stores.database import Connection, Database

GENESIS = "0" * 64
LEDGER_LOCK = 0x6C6564676572  # "ledger": rows are numbered one after the other
PAGE = 1000


@dataclass(frozen=True)
class Departure:
    """What left.

    ``size`` and ``sha256`` are of the content as the analysis or the task handed it in; ``sent_size`` and
    ``sent_sha256`` of the bytes that crossed the wire, which differ when a file was sealed. Sizes are in bytes,
    hashes in hex. ``upload_id`` is the upload, or the task of a report; together with ``kind`` it names the departure.
    """

    upload_id: UUID
    analysis_id: UUID | None
    project_id: UUID | None
    kind: str
    name: str
    size: int
    sha256: str
    sent_size: int
    sent_sha256: str
    destination: str
    sealed_for: UUID | None


@dataclass(frozen=True)
class LedgerRow:
    """A departure with its place in the chain."""

    seq: int
    left_at: datetime
    departure: Departure
    previous_hash: str
    row_hash: str

    def fields(self) -> dict[str, object]:
        """All fields in the order of the export, with times in ISO 8601 UTC and absent values as None."""
        departure = asdict(self.departure)
        values: dict[str, object] = {"seq": self.seq, "left_at": self.left_at.astimezone(UTC).isoformat()}
        values |= {
            name: str(value) if isinstance(value, UUID) else value for name, value in departure.items()
        }
        return values | {"previous_hash": self.previous_hash, "row_hash": self.row_hash}

    def expected_hash(self) -> str:
        """The hash this row should carry."""
        content = {name: value for name, value in self.fields().items() if name != "row_hash"}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class LedgerHead:
    """How long the ledger is and the hash it ends in."""

    rows: int
    hash: str


async def append(connection: Connection, departure: Departure) -> None:
    """Add a row inside the caller's transaction; a departure that is already there is not entered twice."""
    await append_all(connection, [departure])


async def append_all(connection: Connection, departures: Sequence[Departure]) -> None:
    """Add rows inside the caller's transaction, as :func:`append` does; the caller has locked its own rows before."""
    if not departures:
        return
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [LEDGER_LOCK])
    cursor = await connection.execute(
        "SELECT (SELECT row_hash FROM egress_ledger ORDER BY seq DESC LIMIT 1) AS head,"
        " COALESCE((SELECT max(seq) FROM egress_ledger), 0) AS seq, clock_timestamp() AS now,"
        " ARRAY(SELECT upload_id::text || kind FROM egress_ledger WHERE upload_id = ANY(%s)) AS known",
        [[departure.upload_id for departure in departures]],
    )
    last = await cursor.fetchone()
    assert last is not None
    known, seq, head = set(last["known"]), int(last["seq"]), last["head"] or GENESIS
    rows = []
    for departure in departures:
        name = f"{departure.upload_id}{departure.kind}"
        if name in known:
            continue
        known.add(name)
        seq += 1
        draft = LedgerRow(seq, last["now"], departure, head, "")
        head = draft.expected_hash()
        rows.append(draft.fields() | {"row_hash": head, "left_at": draft.left_at})
    if rows:
        columns = ", ".join(rows[0])
        places = ", ".join(f"%({name})s" for name in rows[0])
        statement = f"INSERT INTO egress_ledger ({columns}) VALUES ({places})"
        await connection.cursor().executemany(statement.encode(), rows)


class Ledger:
    """Reads the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self) -> AsyncIterator[LedgerRow]:
        """All rows from the first to the last, in bounded memory."""
        last = 0
        while page := await self._database.execute(
            "SELECT * FROM egress_ledger WHERE seq > %(last)s ORDER BY seq LIMIT %(page)s",
            {"last": last, "page": PAGE},
        ):
            for row in page:
                yield _row_of(row)
            last = page[-1]["seq"]

    async def verify(self, known_hash: str | None = None) -> LedgerHead:
        """Check the whole chain; with ``known_hash``, also that it still holds the row that had it.

        Raises:
            LedgerBroken: naming the first row that does not fit.
        """
        head = LedgerHead(0, GENESIS)
        known = known_hash is None
        async for row in self.rows():
            if row.seq != head.rows + 1:
                raise LedgerBroken(
                    f"row {head.rows + 1} is missing: row {head.rows} is followed by row {row.seq}"
                )
            if row.previous_hash != head.hash:
                raise LedgerBroken(
                    f"row {row.seq} does not follow from row {head.rows}: its previous_hash differs"
                )
            if row.expected_hash() != row.row_hash:
                raise LedgerBroken(f"row {row.seq} was changed: its content does not have its row_hash")
            head = LedgerHead(row.seq, row.row_hash)
            known = known or row.row_hash == known_hash
        if not known:
            raise LedgerBroken(f"no row has the hash {known_hash}: rows were cut off the end")
        return head


def _row_of(row: DictRow) -> LedgerRow:
    departure = Departure(**{name: row[name] for name in Departure.__dataclass_fields__})
    return LedgerRow(row["seq"], row["left_at"], departure, row["previous_hash"], row["row_hash"])
