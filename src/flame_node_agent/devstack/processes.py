"""Child processes that never outlive the one who started them.

Each child leads a session and process group of its own, so Ctrl-C on the terminal reaches only the
supervisor, which then stops its children in order. Should the supervisor itself be killed, Linux sends every
child its death signal (prctl(2), PR_SET_PDEATHSIG). The kernel ties that signal to the *thread* that forked:
start children from a thread that lives as long as they shall; everywhere here that is the main thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.02
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class StackError(RuntimeError):
    """A part of the development stack does not start, or has ended; the message tells a person why."""


@dataclass(frozen=True)
class Account:
    """The system account a child runs as, for programs that refuse to run as root."""

    uid: int
    gid: int


class Child:
    """One running child process, its log file, and how it is asked to stop."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], log: Path, stop_signal: signal.Signals
    ) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._stop_signal = stop_signal

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        directory: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Start ``command`` with exactly ``environment``; both its outputs are appended to ``log``.

        ``death_signal`` is what the child gets when this process dies. StackError if it is no program.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            try:
                process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    cwd=directory,
                    start_new_session=True,
                    preexec_fn=_tie_to(os.getpid(), death_signal),
                    user=account.uid if account else None,
                    group=account.gid if account else None,
                    extra_groups=[] if account else None,
                )
            except OSError as error:
                raise StackError(f"{name} cannot be started: {error}") from error
        return cls(name, process, log, stop_signal)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it (subprocess.Popen.returncode)."""
        if self._process.returncode is None and self._has_ended():
            # While the leader is not reaped, its number still is our group's: end what it has left behind.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.poll()
        return self._process.returncode

    @property
    def alive(self) -> bool:
        return self.exit_code is None

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return once ``ready()`` holds; StackError with the log's end if the child ends or time runs out."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.alive:
                raise StackError(f"{self.name} ended while starting ({self.ending()}):\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready within {seconds:.0f} s:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Ask it to stop, wait ``grace_seconds`` for that, then kill it; nothing of its group is left."""
        if self.alive:
            self._process.send_signal(self._stop_signal)
            deadline = time.monotonic() + grace_seconds
            while self.alive and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and its group; returns when it is gone."""
        self.send_kill()
        while self.alive:
            time.sleep(_POLL_SECONDS)

    def send_kill(self) -> None:
        """SIGKILL the process and its group without waiting, as a signal handler may."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def ending(self) -> str:
        """How it ended, in words."""
        code = self.exit_code
        if code is None:
            return "still running"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log, for an error message."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:]) or "(no output)"


def clean_environment(**extra: str) -> dict[str, str]:
    """What a child needs of this process's environment and no more: nobody's variables change the stack."""
    keep = (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONHASHSEED",
        "COVERAGE_PROCESS_START",
    )
    return {name: os.environ[name] for name in keep if name in os.environ} | extra


def _tie_to(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """What a child does between fork and exec: ask for ``death_signal`` when ``parent`` dies."""

    def tie() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it died before the wish was heard
            os._exit(1)

    return tie
