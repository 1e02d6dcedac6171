"""How a command in the foreground ends: Ctrl-C, SIGTERM or a closed terminal, once in order and twice at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending_by_signal() -> Iterator[None]:
    """Inside, such a signal raises KeyboardInterrupt; also Ctrl-C of a job that a shell put in the background.

    A hang-up that is ignored stays ignored: somebody has used nohup.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling(interrupt):
        yield


@contextlib.contextmanager
def hurried_by_signal(hurry: Callable[[], None]) -> Iterator[None]:
    """Inside, such a signal interrupts nothing but calls ``hurry``: somebody does not want to wait any longer."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        hurry()

    with _handling(handle):
        yield


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    wanted = [
        number for number in _ENDING if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
