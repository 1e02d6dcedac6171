"""The agent process: everything put together, started, and stopped in order.

Nothing it depends on has to be there at the start. The endpoint answers from the first moment (503 where it cannot
do better yet), and each loop waits for what it needs.
"""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)

MIGRATION_PAUSE_SECONDS = 2.0
GAUGES_INTERVAL_SECONDS = 15
