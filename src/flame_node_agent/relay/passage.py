"""The passage to the one server: open while the server can be reached, and shut otherwise.

A shut port refuses connections as the server itself would, so clients fail at once and clearly, and whoever only looks
whether the port is open learns the truth about the server.
"""

from __future__ import annotations

import asyncio

import structlog

from flame_node_agent.config.relay import RelaySettings
from flame_node_agent.relay.passing import End, cut, pass_on

log = structlog.get_logger(__name__)

RETRY_SECONDS = 2.0
"""Pause between two looks for a server that is away."""
NOT_LOOKED = "it has not been looked for yet"


class Passage:
    """Takes connections and passes each on to the server."""

    def __init__(self, settings: RelaySettings) -> None:
        self._server = settings.omop_server
        self._host = settings.listen.host
        self._settings = settings.relay
        self._grace_seconds = settings.shutdown_grace_seconds
        self._listening: asyncio.Server | None = None
        self._doubted = asyncio.Event()
        self._missing: str | None = NOT_LOOKED
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the passage open or shut, as the server is; until cancelled, which shuts it for good.

        Connections that are open then may end within the grace period.

        Raises:
            OSError: nobody can listen on the passage's own port.
        """
        try:
            while True:
                self._doubted.clear()
                missing = await self._look()
                self._tell(missing)
                if missing is None:
                    await self._open()
                    await self._doubted.wait()
                else:
                    self._shut()
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._shut()
            await self._let_end()

    async def check(self) -> str | None:
        """Look for the server now; why it cannot be reached, or None when it can."""
        missing = await self._look()
        if missing is not None:
            self._doubted.set()
        return missing

    async def _look(self) -> str | None:
        """Why the server does not accept a connection; it is told nothing."""
        try:
            _, writer = await self._connect()
        except OSError as error:
            return _reason(error)
        writer.close()
        return None

    async def _connect(self) -> End:
        """Connect to the server, whose name is looked up each time. OSError or TimeoutError, which is one."""
        async with asyncio.timeout(self._settings.connect_seconds):
            return await asyncio.open_connection(self._server.host, self._server.port)

    def _tell(self, missing: str | None) -> None:
        if missing is None and self._missing is not None:
            log.info("relay.server_reached", server=str(self._server))
        elif missing is not None and missing != self._missing:
            log.warning("relay.server_missing", server=str(self._server), error=missing)
        self._missing = missing

    async def _open(self) -> None:
        if self._listening is None:
            self._listening = await asyncio.start_server(self._take, self._host, self._settings.port)

    def _shut(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def _let_end(self) -> None:
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=self._grace_seconds)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._running) >= self._settings.max_connections:
            log.warning("relay.connection_refused", open=len(self._running))
            cut(writer)
            return
        task = asyncio.create_task(self._serve((reader, writer)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, client: End) -> None:
        try:
            server = await self._connect()
        except OSError as error:
            log.warning("relay.connection_failed", server=str(self._server), error=_reason(error))
            self._doubted.set()
        else:
            await self._pass_on(client, server)
        finally:
            cut(client[1])

    async def _pass_on(self, client: End, server: End) -> None:
        try:
            sent, received = await pass_on(client, server)
        except OSError as error:
            log.info("relay.connection_broken", error=_reason(error))
        else:
            log.debug("relay.connection_ended", sent=sent, received=received)


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__
