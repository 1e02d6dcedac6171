"""A real browser without a window, where there is one: Chromium, cut off from every host but this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CHROMIUM = shutil.which("chromium")

_PATIENCE_SECONDS = 60.0
_RENDERED_MILLISECONDS = 15_000
"""Of the page's own time, which runs as fast as its requests are answered."""


def rendered(url: str, profile: Path) -> str:
    """The page's HTML after its scripts have run; ``profile`` is an empty folder for the browser's state."""
    assert CHROMIUM is not None
    shown = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
            f"--virtual-time-budget={_RENDERED_MILLISECONDS}",
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=True,
    )
    return shown.stdout
