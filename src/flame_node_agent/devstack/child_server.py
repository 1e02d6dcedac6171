"""What the servers of the stack have in common: each is one child process that can go away and come back."""

from __future__ import annotations

from typing import ClassVar

from flame_node_agent.devstack.processes import Child, StackError


class ChildServer:
    """A server over one directory and fixed ports; ``start`` of a subclass sets the child."""

    title: ClassVar[str]
    """What people call it."""

    grace_seconds: ClassVar[float] = 5.0
    """How long it may take to stop in order before it is killed."""

    def __init__(self) -> None:
        self._child: Child | None = None

    @property
    def was_started(self) -> bool:
        return self._child is not None

    @property
    def child(self) -> Child:
        """The process that was started last; StackError if there was none."""
        if self._child is None:
            raise StackError(f"{self.title} was not started")
        return self._child

    def start(self) -> None:
        """Start it, the first time or again; returns when it takes requests. StackError when it cannot."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stop it in order; harmless if it does not run."""
        if self._child is not None:
            self._child.stop(grace_seconds=self.grace_seconds)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.child.kill()
