"""Tags of local results in PostgreSQL, in the tables of the FLAME Node Result Service."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from flame_node_agent.errors import FilenameConflict
from tests.integration.stores.conftest import Stores
from tests.integration.stores.test_staging import content

PROJECT, ANALYSIS = uuid4(), uuid4()


async def kept(stores: Stores, filename: str, tag: str | None, project: UUID = PROJECT) -> UUID:
    object_id = uuid4()
    key = f"local/{project}/{object_id}"
    async with stores.staging.stage(key) as staged:
        await staged.store(content())
        await stores.local_results.record(
            object_id=object_id,
            analysis_id=ANALYSIS,
            project_id=project,
            filename=filename,
            tag=tag,
            object_key=key,
        )
    return object_id


async def rows(stores: Stores) -> tuple[int, int, int]:
    return await stores.count("tag"), await stores.count("result"), await stores.count("taggedresult")


async def test_an_untagged_result_makes_no_rows(stores: Stores) -> None:
    await kept(stores, "model.pkl", None)
    assert await rows(stores) == (0, 0, 0)
    assert await stores.count("staged_object") == 0


async def test_a_tagged_result_makes_one_row_in_each_table(stores: Stores) -> None:
    object_id = await kept(stores, "model.pkl", "round-1")
    assert await rows(stores) == (1, 1, 1)
    (found,) = await stores.local_results.tagged(PROJECT, "round-1")
    assert (found.filename, found.object_id) == ("model.pkl", object_id)
    assert await stores.local_results.filename_of(object_id, ANALYSIS) == "model.pkl"


async def test_files_under_a_tag_are_listed_in_the_order_they_came(stores: Stores) -> None:
    ids = [await kept(stores, f"{number}.pkl", "round-1") for number in range(5)]
    assert [found.object_id for found in await stores.local_results.tagged(PROJECT, "round-1")] == ids


async def test_tags_belong_to_their_project(stores: Stores) -> None:
    other = uuid4()
    await kept(stores, "a", "shared-name")
    await kept(stores, "b", "shared-name", other)
    assert [found.filename for found in await stores.local_results.tagged(other, "shared-name")] == ["b"]
    assert await stores.local_results.tags(uuid4()) == []


async def test_many_requests_that_tag_one_object_at_once_leave_one_row(stores: Stores) -> None:
    object_id = await kept(stores, "model.pkl", None)
    names = await asyncio.gather(
        *(
            stores.local_results.tag_object(
                project_id=PROJECT,
                analysis_id=ANALYSIS,
                object_id=object_id,
                tag="best",
                filename="model.pkl",
            )
            for _ in range(12)
        )
    )
    assert set(names) == {"model.pkl"}
    assert await rows(stores) == (1, 1, 1)


async def test_another_file_name_for_a_known_object_is_refused_and_changes_nothing(stores: Stores) -> None:
    object_id = await kept(stores, "model.pkl", "round-1")
    with pytest.raises(FilenameConflict, match=r"different filename than other\.pkl"):
        await stores.local_results.tag_object(
            project_id=PROJECT, analysis_id=ANALYSIS, object_id=object_id, tag="round-2", filename="other.pkl"
        )
    assert await rows(stores) == (1, 1, 1)


async def test_deleting_a_project_leaves_others_alone(stores: Stores) -> None:
    other = uuid4()
    mine, theirs = await kept(stores, "a", "t"), await kept(stores, "b", "t", other)
    await stores.local_results.delete_project(PROJECT, [mine])
    assert await stores.local_results.tags(PROJECT) == []
    assert [found.object_id for found in await stores.local_results.tagged(other, "t")] == [theirs]
    assert await rows(stores) == (1, 1, 1)


async def test_a_long_and_odd_file_name_is_kept_as_it_is(stores: Stores) -> None:
    name = "../\u202egnp.exe\n'; DROP TABLE result; -- " + "x" * 3000
    object_id = await kept(stores, name, "odd")
    assert await stores.local_results.filename_of(object_id, ANALYSIS) == name


async def test_tables_of_a_node_result_service_are_taken_over_with_what_they_hold(stores: Stores) -> None:
    """Its result.filename is varchar(255), and nothing of ours is there yet."""
    async with stores.database.connection() as connection:
        for table in ("taggedresult", "result", "tag"):
            await connection.execute(f"DROP TABLE {table}".encode())
        await connection.execute(
            "CREATE TABLE tag (id serial PRIMARY KEY, tag_name varchar(255) NOT NULL,"
            " project_id varchar(255) NOT NULL)"
        )
        await connection.execute("CREATE UNIQUE INDEX tag_tag_name_project_id ON tag (tag_name, project_id)")
        await connection.execute(
            "CREATE TABLE result (id serial PRIMARY KEY, client_id varchar(255) NOT NULL,"
            " object_id uuid NOT NULL, filename varchar(255) NOT NULL)"
        )
        await connection.execute(
            "CREATE UNIQUE INDEX result_client_id_object_id ON result (client_id, object_id)"
        )
        await connection.execute(
            "CREATE TABLE taggedresult (id serial PRIMARY KEY, tag_id integer NOT NULL REFERENCES tag (id)"
            " ON DELETE CASCADE, result_id integer NOT NULL REFERENCES result (id) ON DELETE CASCADE)"
        )
        old = uuid4()
        await connection.execute("INSERT INTO tag (tag_name, project_id) VALUES ('old', %s)", [str(PROJECT)])
        await connection.execute(
            "INSERT INTO result (client_id, object_id, filename) VALUES (%s, %s, 'old.pkl')",
            [str(ANALYSIS), old],
        )
        await connection.execute("INSERT INTO taggedresult (tag_id, result_id) VALUES (1, 1)")
        await connection.execute("DELETE FROM schema_migration WHERE name = '0001_local_results'")
    assert await stores.database.migrate() == ["0001_local_results"]
    assert [found.object_id for found in await stores.local_results.tagged(PROJECT, "old")] == [old]
    await kept(stores, "n" * 300, "old")
    assert len(await stores.local_results.tagged(PROJECT, "old")) == 2
