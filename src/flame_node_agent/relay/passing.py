"""One connection passed on: bytes as they come, both ways, each at the pace of the slower end.

Nothing is read into them, so whatever the two ends agree on passes through: PostgreSQL's TLS, its certificates and
the binding of its passwords to them are between client and server. Who ends one direction ends that one alone, as
TCP lets them (RFC 9293, 3.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

BLOCK_BYTES = 65536
_KEEP_ALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
"""Seconds and tries after which an end that is silent and gone is noticed. It also keeps firewalls from forgetting a
connection on which a long statement runs."""

_RESET = struct.pack("ii", 1, 0)
"""Lingering on, for no time: closing then sends RST (socket(7), SO_LINGER)."""

type End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def pass_on(client: End, server: End) -> tuple[int, int]:
    """Pass bytes on until both ends have ended; how many went to the server, and how many came from it.

    Both connections are closed then.

    Raises:
        OSError: one end broke the connection off; the other one is broken off, too.
    """
    ways = [
        asyncio.create_task(_one_way(source, target))
        for source, target in ((client[0], server[1]), (server[0], client[1]))
    ]
    try:
        for _, writer in (client, server):
            _look_after(writer)  # a client may have gone while the server was asked
            _keep_alive(writer)
        ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in ended:
            way.result()  # raises what has broken it
        for _, writer in (client, server):
            await _close(writer)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for _, writer in (client, server):
            cut(writer)
    there, back = (way.result() for way in ways)
    return there, back


def cut(writer: asyncio.StreamWriter) -> None:
    """Break a connection off, so that the other end does not take it for an end; leaves a closed one alone."""
    if not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> int:
    """Pass on until the source's end, and the end as well. Reads no more while the target takes no more."""
    passed = 0
    while block := await source.read(BLOCK_BYTES):
        _look_after(target)
        target.write(block)
        await target.drain()
        passed += len(block)
    _look_after(target)
    target.write_eof()
    return passed


def _look_after(target: asyncio.StreamWriter) -> None:
    if target.is_closing():
        raise ConnectionResetError("the other end has broken the connection off")


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Have the kernel look whether the other end is still there."""
    end = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEP_ALIVE.items():
        end.setsockopt(socket.IPPROTO_TCP, option, value)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection once what is left has been sent."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
