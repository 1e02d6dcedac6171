"""What the agent knows of analyses while the hub is there, away, and of another opinion."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from flame_node_agent.agent.knowledge import Knowledge
from flame_node_agent.errors import HubRefused, HubUnavailable
from flame_node_agent.hub.core import HubCore
from flame_node_agent.wire.hub import Analysis, AnalysisBucket, BucketKind
from tests.integration.stores.conftest import Stores

SOON = 0.2


class Core(HubCore):
    """A hub that says what the test wants, and counts how often it was asked."""

    def __init__(self) -> None:
        self.projects: dict[UUID, UUID] = {}
        self.asked = 0
        self.failure: Exception | None = None

    def _answer(self) -> None:
        self.asked += 1
        if self.failure is not None:
            raise self.failure

    async def get_analysis(self, analysis_id: UUID) -> Analysis | None:
        self._answer()
        project = self.projects.get(analysis_id)
        return Analysis(id=analysis_id, project_id=project) if project else None

    async def find_analysis_bucket(self, analysis_id: UUID, kind: BucketKind) -> AnalysisBucket | None:
        self._answer()
        if analysis_id not in self.projects:
            return None
        return AnalysisBucket(
            id=analysis_id,
            analysis_id=analysis_id,
            kind=kind,
            storage_bucket_id=uuid4(),
            links_by_itself=True,
        )


@pytest.fixture
def core() -> Core:
    return Core()


async def test_an_analysis_is_asked_for_once_while_the_answer_is_fresh(stores: Stores, core: Core) -> None:
    analysis, project = uuid4(), uuid4()
    core.projects[analysis] = project
    knowledge = Knowledge(stores.database, core, ttl=60)
    for _ in range(3):
        assert await knowledge.project_of(analysis, SOON) == project
    assert core.asked == 1
    # Another process finds it in the database.
    assert await Knowledge(stores.database, core, ttl=60).project_of(analysis, SOON) == project
    assert core.asked == 1


async def test_what_is_known_serves_while_the_hub_is_away(stores: Stores, core: Core) -> None:
    analysis = uuid4()
    core.projects[analysis] = uuid4()
    before = Knowledge(stores.database, core, ttl=0)
    project = await before.project_of(analysis, SOON)
    bucket = await before.bucket_of(analysis, BucketKind.RESULT, SOON)
    core.failure = HubUnavailable("no route")
    after_restart = Knowledge(stores.database, core, ttl=0)
    assert await after_restart.project_of(analysis, SOON) == project
    assert await after_restart.bucket_of(analysis, BucketKind.RESULT, SOON) == bucket


async def test_a_stale_answer_is_not_asked_for_again_at_every_request(stores: Stores, core: Core) -> None:
    analysis = uuid4()
    core.projects[analysis] = uuid4()
    await Knowledge(stores.database, core, ttl=60).project_of(analysis, SOON)
    await stores.database.execute("UPDATE known_analysis SET learned_at = now() - interval '1 day'")
    core.failure = HubUnavailable("no route")
    knowledge = Knowledge(stores.database, core, ttl=60)
    await knowledge.project_of(analysis, SOON)
    asked = core.asked
    await knowledge.project_of(analysis, SOON)
    assert core.asked == asked


async def test_an_unknown_analysis_cannot_be_answered_while_the_hub_is_away(
    stores: Stores, core: Core
) -> None:
    core.failure = HubUnavailable("no route")
    knowledge = Knowledge(stores.database, core, ttl=60)
    with pytest.raises(HubUnavailable):
        await knowledge.project_of(uuid4(), SOON)
    with pytest.raises(HubUnavailable):
        await knowledge.bucket_of(uuid4(), BucketKind.TEMP, SOON)


async def test_a_no_of_the_hub_is_believed_at_once_and_not_remembered(stores: Stores, core: Core) -> None:
    analysis = uuid4()
    core.projects[analysis] = uuid4()
    knowledge = Knowledge(stores.database, core, ttl=0)
    await knowledge.project_of(analysis, SOON)
    await knowledge.bucket_of(analysis, BucketKind.RESULT, SOON)
    project = core.projects.pop(analysis)
    assert await knowledge.project_of(analysis, SOON) is None
    assert await knowledge.bucket_of(analysis, BucketKind.RESULT, SOON) is None
    assert await stores.count("known_analysis") == await stores.count("known_bucket") == 0
    core.projects[analysis] = project
    assert await knowledge.project_of(analysis, SOON) == project


async def test_a_refusal_is_no_outage(stores: Stores, core: Core) -> None:
    analysis = uuid4()
    core.projects[analysis] = uuid4()
    knowledge = Knowledge(stores.database, core, ttl=0)
    await knowledge.project_of(analysis, SOON)
    core.failure = HubRefused(403, "permission_denied", "not yours")
    with pytest.raises(HubRefused):
        await knowledge.project_of(analysis, SOON)


async def test_a_forgotten_project_is_asked_for_again(stores: Stores, core: Core) -> None:
    analysis, project = uuid4(), uuid4()
    core.projects[analysis] = project
    knowledge = Knowledge(stores.database, core, ttl=60)
    await knowledge.project_of(analysis, SOON)
    await knowledge.bucket_of(analysis, BucketKind.TEMP, SOON)
    await knowledge.forget_project(project)
    assert await stores.count("known_analysis") == await stores.count("known_bucket") == 0
    core.projects.clear()
    assert await knowledge.project_of(analysis, SOON) is None
