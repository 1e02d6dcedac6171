"""A PostgreSQL server with TLS: the embedded one has none, so this stands in front of it and speaks TLS for it.

Source of the first message: PostgreSQL's documentation, 54.2.11 (SSLRequest).
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from flame_node_agent.devstack.ports import LOOPBACK
from flame_node_agent.devstack.postgres import PostgresAccess

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@asynccontextmanager
async def tls_in_front_of(database: PostgresAccess, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Serve the database with TLS; the port."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError):
            while block := await reader.read(65536):
                writer.write(block)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) == SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(context)
                back = await asyncio.open_connection(database.host, database.port)
                await asyncio.gather(copy(reader, back[1]), copy(back[0], writer))
        writer.close()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
