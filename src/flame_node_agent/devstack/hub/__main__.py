"""``python -m flame_node_agent.devstack.hub --state-dir DIR --port PORT``: run a development hub."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from pathlib import Path

import structlog

from flame_node_agent.devstack.hub.profile import PROFILES
from flame_node_agent.devstack.hub.refusals import Refusal
from flame_node_agent.devstack.hub.server import serve
from flame_node_agent.devstack.hub.task_side import TASK_ROUTES, TaskOptions


def argument_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="python -m flame_node_agent.devstack.hub", description=__doc__)
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="keeps the hub's state; holds hub-seed.json"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument(
        "--profile", choices=sorted(PROFILES), default="0.8.21", help="the release to speak as"
    )
    parser.add_argument("--token-seconds", type=int, help="how long an access token lives")
    usual = TaskOptions()
    parser.add_argument(
        "--task-routes",
        choices=TASK_ROUTES,
        default=usual.routes,
        help="the generation of FLIP's task routes",
    )
    parser.add_argument(
        "--trust-api-key-header", default=usual.key_header, help="the header that carries a trust's key"
    )
    parser.add_argument("--legacy-cbc", action="store_true", help="seal payloads as before envelopes")
    parser.add_argument("--hub-rate-limits", action="store_true", help="answer 429 like FLIP's hub")
    parser.add_argument(
        "--stale-seconds", type=float, default=usual.stale_seconds, help="when a task is handed out again"
    )
    parser.add_argument(
        "--stale-scan-seconds",
        type=float,
        default=usual.stale_scan_seconds,
        help="pause between two looks for such tasks",
    )
    parser.add_argument(
        "--max-retries", type=int, default=usual.max_retries, help="how often a task is handed out again"
    )
    return parser


def main() -> int:
    """Serve in the foreground; exit code 2 if the arguments or the seed file are wrong."""
    arguments = argument_parser().parse_args()
    # stdout carries the ready line only.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    profile = PROFILES[arguments.profile]
    arguments.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        serve(
            arguments.state_dir,
            arguments.host,
            arguments.port,
            profile,
            arguments.token_seconds or profile.token_seconds,
            TaskOptions(
                routes=arguments.task_routes,
                key_header=arguments.trust_api_key_header,
                rate_limits=arguments.hub_rate_limits,
                stale_seconds=arguments.stale_seconds,
                stale_scan_seconds=arguments.stale_scan_seconds,
                max_retries=arguments.max_retries,
                legacy_cbc=arguments.legacy_cbc,
            ),
        )
    except (OSError, ValueError, sqlite3.Error, Refusal) as error:
        sys.stderr.write(f"the hub cannot start: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
