"""Logs: one event a line on standard error, whoever writes it.

The agent's own events come from structlog, those of uvicorn, APScheduler and httpx from the standard library.
Both end in one handler, with the same keys, the same redaction and the same form: JSON where a machine reads,
and for the eye on a terminal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import Processor

from flame_node_agent.config.shared import ProcessSettings
from flame_node_agent.telemetry.redaction import Redaction, secrets_in

_TALKATIVE = ("httpx", "httpcore", "apscheduler", "uvicorn.access")
"""Libraries that tell every single step below WARNING; httpx's URLs would also name files."""

log = structlog.get_logger(__name__)


def configure_logging(
    settings: ProcessSettings, stream: TextIO | None = None, *, besides: Iterable[ProcessSettings] = ()
) -> None:
    """Send everything that is logged in this process to ``stream`` (default: standard error).

    The secrets of ``settings``, and of the trees that are in use ``besides``, are masked wherever they appear.
    """
    stream = stream or sys.stderr
    # Applied where an event is made, whoever makes it.
    made: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    pretty = settings.log.format == "pretty" or (settings.log.format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=made,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Tracebacks become text before the redaction, not in the renderer behind it.
                structlog.processors.format_exc_info,
                Redaction(secret for tree in (settings, *besides) for secret in secrets_in(tree)),
                _for_the_eye(stream) if pretty else structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log.level)
    _take_over_libraries(root.level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *made,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    sys.excepthook = _log_crash


def _for_the_eye(stream: TextIO) -> Processor:
    # Tracebacks without the values of variables: those would be secrets, files and tokens.
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _take_over_libraries(level: int) -> None:
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        # Uvicorn brings handlers of its own when it is not told otherwise.
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what nobody has caught, so that it is redacted like everything else."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("process.crashed", exc_info=(kind, error, trace))
