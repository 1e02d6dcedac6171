"""The agent process: its sides put together, started, and stopped in order.

Nothing it depends on has to be there at the start. The endpoint answers from the first moment (503 where it cannot
do better yet), and each loop waits for what it needs.
"""

from __future__ import annotations

import asyncio
import signal
from typing import Protocol

import structlog
from fastapi import FastAPI

from flame_node_agent import __version__
from flame_node_agent.agent.identity import EXIT_CODE
from flame_node_agent.agent.result_side import ResultSide
from flame_node_agent.agent.rounds import Rounds
from flame_node_agent.agent.serving import bind, make_server
from flame_node_agent.agent.task_side import TaskSide
from flame_node_agent.config.agent_settings import AgentSettings
from flame_node_agent.hub.transport import Transport
from flame_node_agent.results.app import create_operations_app
from flame_node_agent.stores.database import Database
from flame_node_agent.stores.migrating import migrate
from flame_node_agent.telemetry.readiness import Readiness

log = structlog.get_logger(__name__)

HAND_BACK_SECONDS = 2.0
"""Of the grace period, for handing back what could not be finished."""


class Side(Protocol):
    """What the process does with each of its sides."""

    def schedule(self, rounds: Rounds) -> None: ...

    async def work(self) -> None: ...

    async def stop(self, grace: float) -> None: ...

    async def close(self) -> None: ...


class Agent:
    """All parts of one agent process."""

    def __init__(self, settings: AgentSettings, database: Database) -> None:
        """Must be called inside a running event loop; connects to nothing yet."""
        self.database = database
        self.transport = Transport(settings.shared)
        self.results = (
            ResultSide(settings.results, database, self.transport) if settings.results is not None else None
        )
        self.tasks = (
            TaskSide(settings.tasks, database, self.transport) if settings.tasks is not None else None
        )
        self.app = self._make_app()

    @property
    def sides(self) -> list[Side]:
        """The sides that are configured."""
        return [side for side in (self.results, self.tasks) if side is not None]

    def _make_app(self) -> FastAPI:
        needs = self.results.needs if self.results is not None else {}
        readiness = Readiness({"database": self.database.check, **needs})
        app = self.results.app(readiness) if self.results is not None else create_operations_app(readiness)
        if self.tasks is not None:
            self.tasks.add_routes(app)
        return app

    def schedule(self) -> Rounds:
        """The rounds that repeat, of all sides."""
        rounds = Rounds()
        for side in self.sides:
            side.schedule(rounds)
        return rounds

    async def work(self) -> None:
        """What every side does for as long as it runs, once there is a schema."""
        await migrate(self.database)
        await asyncio.gather(*(side.work() for side in self.sides))

    async def stop(self, grace: float) -> None:
        """Begin nothing new; let what runs finish for ``grace`` seconds, then hand the rest back."""
        await asyncio.gather(*(side.stop(grace) for side in self.sides))

    async def close(self) -> None:
        """Close every connection."""
        for side in self.sides:
            await side.close()
        await self.transport.aclose()
        await self.database.close()


async def run(settings: AgentSettings) -> int:
    """Run the agent until SIGTERM or SIGINT, or until the hub takes it for another trust; returns the exit code.

    Then: no new requests, uploads and tasks; what runs may finish within the grace period; the leases of the rest
    are handed back, so that another agent, or this one after its restart, goes on at once.

    Raises:
        SettingsError: a port cannot be listened on.
    """
    shared = settings.shared
    sockets = bind(shared)
    agent = Agent(settings, await Database.open(shared))
    server = make_server(agent.app, shared)
    rounds = agent.schedule()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if not stopping:
            log.info("agent.stopping", grace_seconds=shared.shutdown_grace_seconds)
            server.should_exit = True
            grace = max(0.0, shared.shutdown_grace_seconds - HAND_BACK_SECONDS)
            stopping.append(asyncio.create_task(agent.stop(grace)))

    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stop)

    async def stop_when_mistaken() -> None:
        if agent.tasks is not None:
            await agent.tasks.identity.mismatch.wait()
            stop()

    log.info(
        "agent.started",
        version=__version__,
        host=shared.listen.host,
        ports=list(shared.listen.ports),
        results=agent.results is not None,
        tasks=agent.tasks is not None,
    )
    work = asyncio.gather(agent.work(), stop_when_mistaken())
    rounds.start()
    try:
        await server.serve(sockets=sockets)
    finally:
        stop()
        await asyncio.gather(*stopping)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        rounds.stop()
        await agent.close()
        log.info("agent.stopped")
    mistaken = agent.tasks is not None and agent.tasks.identity.mismatch.is_set()
    return EXIT_CODE if mistaken else 0
