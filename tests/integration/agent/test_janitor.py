"""What nobody needs any more goes, however much of it there is, and whatever else cannot go."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import pytest

from flame_node_agent.agent.janitor import Janitor
from flame_node_agent.errors import DatabaseUnavailable, ObjectStoreUnavailable
from flame_node_agent.stores.retention import Retention
from tests.integration.stores.conftest import Stores

MORE_THAN_ONE_LOOK = 1200


def janitor_of(stores: Stores) -> Janitor:
    return Janitor(Retention(stores.database), stores.staging, stores.objects, days=7)


async def expired_uploads(stores: Stores, number: int, name: str, *, owned: bool) -> None:
    await stores.database.execute(
        "INSERT INTO outbox (upload_id, kind, interactive, analysis_id, object_key, owns_object, filename,"
        " content_type, size, sha256, state, finished_at) SELECT gen_random_uuid(), 'final', false,"
        " gen_random_uuid(), %(name)s || n, %(owned)s, 'f', 't', 0, '', 'delivered', now() - interval '8 days'"
        " FROM generate_series(1, %(number)s) AS n",
        {"name": name, "number": number, "owned": owned},
    )


async def orphans(stores: Stores, number: int, name: str) -> None:
    await stores.database.execute(
        "INSERT INTO staged_object (object_key, owner, lease_expires_at) SELECT %(name)s || n,"
        " gen_random_uuid(), now() - interval '1 day' FROM generate_series(1, %(number)s) AS n",
        {"name": name, "number": number},
    )


def refusing(name: str, asked: list[str]) -> Callable[[str], Coroutine[None, None, int]]:
    """A request to the object store that fails for keys with this beginning."""

    async def request(key: str) -> int:
        asked.append(key)
        if key.startswith(name):
            raise ObjectStoreUnavailable("InternalError: this one cannot be had")
        return 0

    return request


async def keys(stores: Stores, table: str) -> set[str]:
    return {row["object_key"] for row in await stores.database.execute(f"SELECT object_key FROM {table}")}


async def test_one_round_removes_more_than_one_look_finds(stores: Stores) -> None:
    await expired_uploads(stores, MORE_THAN_ONE_LOOK, "outbox/", owned=False)
    await orphans(stores, 250, "outbox/orphan-")
    await janitor_of(stores).round()
    assert await stores.count("outbox") == 0
    assert await stores.count("staged_object") == 0


async def test_an_orphan_that_cannot_be_removed_holds_up_nothing_else(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await orphans(stores, 1, "outbox/stuck-")
    await orphans(stores, 3, "outbox/orphan-")
    await expired_uploads(stores, 3, "outbox/", owned=True)
    monkeypatch.setattr(stores.objects, "abort_unfinished", refusing("outbox/stuck-", []))
    await janitor_of(stores).round()
    assert await keys(stores, "staged_object") == {"outbox/stuck-1"}
    assert await stores.count("outbox") == 0


async def test_an_upload_that_cannot_be_removed_holds_up_nothing_else(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await expired_uploads(stores, 1, "outbox/stuck-", owned=True)
    await expired_uploads(stores, 3, "outbox/", owned=True)
    monkeypatch.setattr(stores.objects, "delete", refusing("outbox/stuck-", []))
    await janitor_of(stores).round()
    assert await keys(stores, "outbox") == {"outbox/stuck-1"}


async def test_more_than_one_look_that_cannot_be_removed_is_tried_once_and_holds_up_nothing_else(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores.staging, "_lease_seconds", 0.0)  # found again at once
    await orphans(stores, 250, "outbox/stuck-")
    await expired_uploads(stores, 550, "outbox/stuck-upload-", owned=True)
    await orphans(stores, 1, "outbox/orphan-")
    await expired_uploads(stores, 1, "outbox/", owned=True)
    asked: list[str] = []
    monkeypatch.setattr(stores.objects, "abort_unfinished", refusing("outbox/stuck-", asked))
    monkeypatch.setattr(stores.objects, "delete", refusing("outbox/stuck-", asked))
    await janitor_of(stores).round()
    assert len(await keys(stores, "staged_object")) == 250
    assert len(await keys(stores, "outbox")) == 550
    stuck = [key for key in asked if key.startswith("outbox/stuck-")]
    assert len(stuck) == len(set(stuck)) == 800


async def test_a_store_that_is_away_is_not_asked_for_everything(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await orphans(stores, 3, "outbox/orphan-")
    await expired_uploads(stores, 3, "outbox/", owned=True)
    asked: list[str] = []

    async def away() -> None:
        raise ObjectStoreUnavailable("away")

    monkeypatch.setattr(stores.objects, "abort_unfinished", refusing("", asked))
    monkeypatch.setattr(stores.objects, "delete", refusing("", asked))
    monkeypatch.setattr(stores.objects, "check", away)
    await janitor_of(stores).round()
    assert len(asked) == 2
    assert await stores.count("staged_object") == await stores.count("outbox") == 3


async def test_uploads_expire_although_no_orphans_could_be_looked_for(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> int:
        raise DatabaseUnavailable("away")

    await expired_uploads(stores, 3, "outbox/", owned=True)
    monkeypatch.setattr(stores.staging, "sweep", away)
    await janitor_of(stores).round()
    assert await stores.count("outbox") == 0
