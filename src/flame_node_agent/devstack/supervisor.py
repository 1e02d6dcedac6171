"""`flame-node dev`: keeps a development stack in the foreground and tells what becomes of its parts."""

from __future__ import annotations

import contextlib
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from flame_node_agent.devstack.endings import ending_by_signal, hurried_by_signal
from flame_node_agent.devstack.processes import Child
from flame_node_agent.devstack.ready_file import ReadyFile
from flame_node_agent.devstack.stack import Stack

_LOOK_SECONDS = 0.2
_NAMES = {
    "agent": "the agent",
    "data_access": "data-access-api",
    "hub": "the development hub",
    "s3": "the S3 server",
    "postgres": "PostgreSQL",
}


class Supervisor:
    """Runs ``stack`` until it is told to end; ``say`` gets one line for each thing that happens."""

    def __init__(self, stack: Stack, ready_file: Path, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._ready_file = ready_file
        self._say = say
        self._reported: set[int] = set()
        self._revival_wanted = threading.Event()

    def run(self) -> None:
        """Start, write the ready file, and stay until Ctrl-C, SIGTERM or SIGHUP. StackError if it cannot start.

        What ends meanwhile stays ended, so that outages can be watched; SIGUSR1 brings all but the agent back.
        """
        self._ready_file.unlink(missing_ok=True)
        with (
            contextlib.suppress(KeyboardInterrupt),
            running(self._stack, lambda part: self._say(f"starting {part}")),
            self._reviving_on_request(),
        ):
            self._announce()
            try:
                self._watch()
            finally:
                self._ready_file.unlink(missing_ok=True)
                self._say("stopping; press Ctrl-C again to kill")
        self._say("stopped: nothing of the stack is running any more")

    def _announce(self) -> None:
        ready = ReadyFile.of(self._stack)
        ready.write(self._ready_file)
        self._say(f"all is up: results go to {ready.result_url}, everything else is in {self._ready_file}")
        self._say(f"logs: {self._stack.state.path}/*/*.log; end with Ctrl-C")

    def _watch(self) -> None:
        while True:
            for name, child in self._stack.children().items():
                if not child.alive and child.pid not in self._reported:
                    self._reported.add(child.pid)
                    self._say(self._ended(name, child))
            if self._revival_wanted.wait(_LOOK_SECONDS):
                self._revival_wanted.clear()
                self._revive()

    def _ended(self, name: str, child: Child) -> str:
        ended = f"{_NAMES[name]} (pid {child.pid}) has ended ({child.ending()}) and is not restarted"
        if name == "agent":
            return f"{ended}; start it again with: {shlex.join(self._stack.agent.command)}"
        return f"{ended}; to bring it back: kill -USR1 <pid of flame-node dev>"

    def _revive(self) -> None:
        for name, server in (
            ("postgres", self._stack.postgres),
            ("s3", self._stack.s3),
            ("hub", self._stack.hub),
            ("data_access", self._stack.data_access),
        ):
            if not server.child.alive:
                self._say(f"starting {_NAMES[name]} again")
                server.start()
        ReadyFile.of(self._stack).write(self._ready_file)

    @contextlib.contextmanager
    def _reviving_on_request(self) -> Iterator[None]:
        def note(_number: int, _frame: FrameType | None) -> None:
            self._revival_wanted.set()

        former = signal.signal(signal.SIGUSR1, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGUSR1, former)


@contextlib.contextmanager
def running(stack: Stack, report: Callable[[str], None]) -> Iterator[None]:
    """A started stack that is stopped at the end, whatever the end is; a signal is a KeyboardInterrupt."""
    with ending_by_signal():
        try:
            stack.start(report)
            yield
        finally:
            with hurried_by_signal(stack.hurry):
                stack.stop()
