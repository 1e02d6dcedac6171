"""What the routes need of the rest of data-access-api, and nothing more; tests use small doubles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from flame_node_agent.cohort.answer import CohortAnswer
from flame_node_agent.cohort.engine import CohortEngine
from flame_node_agent.cohort.policy import Policy
from flame_node_agent.cohort.snapshots import Member, MemberKind, Snapshot
from flame_node_agent.crypto.envelope import Keyring


class Guarded(Protocol):
    """:class:`flame_node_agent.cohort.guard.GuardedQuery`."""

    @property
    def sql(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def short_hash(self) -> str: ...


class Statistics(Protocol):
    """:class:`flame_node_agent.cohort.release.CohortStatistics`: all that stands between the guard and HTTP."""

    async def answer(self, project_id: UUID, query: Any, threshold: int) -> CohortAnswer: ...


class Snapshots(Protocol):
    """:class:`flame_node_agent.cohort.snapshots.SnapshotStore`."""

    async def find(self, project_id: UUID) -> Snapshot | None: ...

    async def freeze(self, snapshot: Snapshot, members: AsyncIterable[Sequence[Member]]) -> Snapshot: ...

    async def delete(self, project_id: UUID) -> bool: ...

    async def members_among(
        self, project_id: UUID, kind: MemberKind, ids: Collection[str]
    ) -> frozenset[str]: ...

    def pages(self, project_id: UUID, kind: MemberKind) -> AsyncGenerator[Sequence[str]]: ...

    async def check(self) -> None: ...


@dataclass(frozen=True)
class CohortDependencies:
    """Everything the routes work with; one of each a process."""

    guard: Callable[[str], Guarded]
    """Pure computation; raises Refused."""
    engine: CohortEngine
    statistics: Statistics
    snapshots: Snapshots
    keyring: Keyring
    policy: Policy
