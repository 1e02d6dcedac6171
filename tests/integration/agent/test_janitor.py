"""What nobody needs any more goes, however much of it there is."""

from __future__ import annotations

from flame_node_agent.agent.janitor import Janitor
from flame_node_agent.stores.retention import Retention
from tests.integration.stores.conftest import Stores

MORE_THAN_ONE_LOOK = 1200


async def test_one_round_removes_more_than_one_look_finds(stores: Stores) -> None:
    await stores.database.execute(
        "INSERT INTO outbox (upload_id, kind, interactive, analysis_id, object_key, owns_object, filename,"
        " content_type, size, sha256, state, finished_at) SELECT gen_random_uuid(), 'final', false,"
        " gen_random_uuid(), 'outbox/' || n, false, 'f', 't', 0, '', 'delivered', now() - interval '8 days'"
        " FROM generate_series(1, %(rows)s) AS n",
        {"rows": MORE_THAN_ONE_LOOK},
    )
    await stores.database.execute(
        "INSERT INTO staged_object (object_key, owner, lease_expires_at) SELECT 'outbox/orphan-' || n,"
        " gen_random_uuid(), now() - interval '1 day' FROM generate_series(1, 250) AS n"
    )
    await Janitor(Retention(stores.database), stores.staging, stores.objects, days=7).round()
    assert await stores.count("outbox") == 0
    assert await stores.count("staged_object") == 0
