"""The Swagger UI on a network without internet: everything it loads comes from the agent itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from tests.acceptance.browser import CHROMIUM, rendered
from tests.acceptance.running_agents import RunningAgent

_LOADED_BY_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)")
_LOADED_BY_SCRIPT = re.compile(r"url:\s*['\"]([^'\"]+)")


class References(HTMLParser):
    """What a page makes a browser load: scripts, styles, images, and what its own script names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = _LOADED_BY_SCRIPT.findall(page)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loaded = given.get("href") if tag == "link" else given.get("src")
        if loaded:
            self.found.append(loaded)


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/redoc"])
def test_page_loads_only_what_the_agent_serves(any_agent: RunningAgent, path: str) -> None:
    """Each address is the agent's own, and answers; so do those that its style sheets name."""
    page = any_agent.http.get(path, follow_redirects=True)
    assert page.status_code == 200
    found = [urljoin(str(page.url), reference) for reference in References(page.text).found]
    assert len(found) >= 4
    own = urlsplit(any_agent.server.url).netloc
    while found:
        address = found.pop()
        if urlsplit(address).scheme == "data":
            continue
        assert urlsplit(address).netloc == own, address
        asset = any_agent.http.get(address)
        assert asset.status_code == 200, address
        assert asset.content
        if asset.headers["content-type"].startswith("text/css"):
            found += [urljoin(address, named) for named in _LOADED_BY_CSS.findall(asset.text)]


def test_page_names_no_other_host(any_agent: RunningAgent) -> None:
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+", any_agent.http.get("/docs").text) == []


if CHROMIUM:  # where there is no browser, the tests above are all that can be said

    def test_every_operation_is_shown_in_a_browser_without_internet(
        any_agent: RunningAgent, tmp_path: Path
    ) -> None:
        """Rendered by Chromium: title, all operations, and no error of the parser."""
        page = rendered(f"{any_agent.server.url}/docs", tmp_path)
        document = any_agent.http.get("/openapi.json").json()
        shown = set(re.findall(r'id="operations-(?!tag-)[a-z]+-([A-Za-z]+)"', page))
        described = {
            operation["operationId"] for path in document["paths"].values() for operation in path.values()
        }
        assert shown == described
        assert "FLAME Node Result Service" in page
        assert "Unable to render this definition" not in page
        assert "Failed to load API definition" not in page
