"""Lists of the hub: asked for in the spelling the hub understands, read to their end, believed only after a check.

A hub may drop a filter it does not know and return everything (0.13 with the snake_case keys of before), or refuse it
with 400 ``keyNotAllowed``. So the spelling is changed when an answer shows the other one, and every record goes
through the caller's own check, however well the list was filtered.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from flame_node_agent.errors import HubRefused, HubUnexpected
from flame_node_agent.hub.answers import BAD_REQUEST
from flame_node_agent.hub.dialect import Record, Spelling, spelling_of_page
from flame_node_agent.hub.session import HubSession

log = structlog.get_logger(__name__)

PAGE_RECORDS = 50
"""The most that the hub returns at once."""
MAX_PAGES = 400


@dataclass(frozen=True)
class _Page:
    records: list[dict[str, Any]]
    total: int | None
    spelling: Spelling | None

    @classmethod
    def read(cls, body: Any) -> _Page:
        records = body.get("data") if isinstance(body, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise HubUnexpected(200, "no list where one was asked for")
        meta = body.get("meta")
        total = meta.get("total") if isinstance(meta, dict) else None
        return cls(records, total if isinstance(total, int) else None, spelling_of_page(records, meta))


@dataclass(frozen=True)
class _Found[T]:
    matches: list[T]
    spelling: Spelling | None
    """What the hub seems to speak; None when its answer did not tell."""


class Lists:
    """Searches the lists of one service; remembers how it spelled last."""

    def __init__(self, session: HubSession, service: str) -> None:
        self._session = session
        self._service = service
        self._spelling = Spelling.SNAKE

    @property
    def spelling(self) -> Spelling:
        """How the hub spelled when it was last asked for a list."""
        return self._spelling

    async def search[T](
        self,
        path: str,
        filters: Mapping[str, str],
        check: Callable[[Record], T | None],
        *,
        newest_first: bool = False,
        first_only: bool = False,
    ) -> list[T]:
        """Return what ``check`` makes of the records of a list, in the list's order, without those it rejects.

        ``filters`` are snake_case field names with the values they must equal; the list may hold anything all the
        same. With ``first_only``, reading stops at the first match.

        Raises:
            HubUnavailable, HubUnexpected, HubCredentialsRefused, HubRefused.
        """
        read = partial(self._read, path, filters, check, newest_first=newest_first, first_only=first_only)
        known, other = self._spelling, self._spelling.other
        found = await read(known, unless=other)
        if isinstance(found, _Found) and found.spelling is not other:
            return found.matches
        second = await read(other)
        if isinstance(second, _Found):
            self._learn(second.spelling or other)
            return second.matches
        if isinstance(found, _Found):
            # It refuses the spelling it seemed to speak, so the first one was right.
            found = await read(known)
        if isinstance(found, HubRefused):
            raise found
        return found.matches

    async def _read[T](
        self,
        path: str,
        filters: Mapping[str, str],
        check: Callable[[Record], T | None],
        spelling: Spelling,
        *,
        newest_first: bool,
        first_only: bool,
        unless: Spelling | None = None,
    ) -> _Found[T] | HubRefused:
        """Read page after page, but only the first when it is spelled as ``unless``; returns a refusal with 400."""
        found = None
        try:
            async with aclosing(
                self._pages(path, _params(filters, spelling, newest_first=newest_first))
            ) as pages:
                async for page in pages:
                    if found is None:
                        found = _Found[T]([], page.spelling)
                        if unless is not None and page.spelling is unless:
                            break
                    for record in page.records:
                        if (match := check(record)) is not None:
                            found.matches.append(match)
                    if found.matches and first_only:
                        break
        except HubRefused as refusal:
            if refusal.status == BAD_REQUEST:
                return refusal
            raise
        assert found is not None  # a list has one page at least
        return found

    async def _pages(self, path: str, params: dict[str, str]) -> AsyncGenerator[_Page]:
        """Read a list to its end, however the hub counts; each record comes once."""
        seen: set[str] = set()
        offset = 0
        for _ in range(MAX_PAGES):
            page = _Page.read(
                await self._session.call("GET", path, params=params | {"page[offset]": str(offset)})
            )
            fresh = [record for record in page.records if str(record.get("id")) not in seen]
            yield replace(page, records=fresh)
            seen.update(str(record.get("id")) for record in fresh)
            offset += len(page.records)
            more = len(page.records) >= PAGE_RECORDS if page.total is None else offset < page.total
            if not fresh or not more:
                return
        raise HubUnexpected(200, f"a list of more than {MAX_PAGES} pages")

    def _learn(self, spelling: Spelling) -> None:
        if spelling is not self._spelling:
            log.info("hub.spelling_changed", service=self._service, spelling=spelling.value)
            self._spelling = spelling


def _params(filters: Mapping[str, str], spelling: Spelling, *, newest_first: bool) -> dict[str, str]:
    params = {f"filter[{spelling.write(key)}]": value for key, value in filters.items()}
    if newest_first:
        params["sort"] = "-" + spelling.write("created_at")
    return {**params, "page[limit]": str(PAGE_RECORDS)}
