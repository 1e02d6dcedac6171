"""How long a service of this trust that is away is waited for."""

from __future__ import annotations

import time


class Patience:
    """Counts from when the service was first found away, whoever asked it.

    So a service that stays away is waited for by those who ask while the patience lasts, and not again by each that
    comes later. Where nobody has asked for as long as that, the next one waits anew.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds`` of 0 means that nobody waits."""
        self._seconds = seconds
        self._since = 0.0
        self._looked = 0.0
        self._away: str | None = None

    @property
    def left(self) -> float:
        """Seconds for which it is still waited for."""
        return self._seconds if self._away is None else self._since + self._seconds - time.monotonic()

    def found_away(self, reason: str) -> bool:
        """Note that it is away; whether that, or the reason, is news."""
        now = time.monotonic()
        if self._away is None or now - self._looked > self._seconds:
            self._since = now
        news = reason != self._away
        self._looked, self._away = now, reason
        return news

    def found_there(self) -> bool:
        """Note that it answers; whether that is news."""
        news, self._away = self._away is not None, None
        return news
