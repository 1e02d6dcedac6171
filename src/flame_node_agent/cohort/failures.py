"""From a failure to an answer. No text holds SQL, a value of a row or what a library says: it travels to the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from flame_node_agent.errors import Busy, DatabaseUnavailable, NodeError, Refused

log = structlog.get_logger(__name__)

STATISTICS_FAILED = "Statistics aggregation failed."
QUERY_FAILED = "Query execution failed."


def install(app: FastAPI) -> None:
    """Answer every failure that is known by name, and requests that are not as they have to be."""
    app.add_exception_handler(NodeError, _answer)
    app.add_exception_handler(RequestValidationError, _invalid)


async def _answer(_request: Request, error: Exception) -> JSONResponse:
    match error:
        case Refused():
            refusal = error
        case DatabaseUnavailable():
            refusal = Busy("The database is unavailable")
            log.warning("request.failed", status=refusal.status, error=repr(error))
        case _:
            raise error
    return JSONResponse({"detail": refusal.detail}, status_code=refusal.status, headers=refusal.headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Say what is wrong and where; FastAPI would repeat what was sent, which may be a query."""
    assert isinstance(error, RequestValidationError)
    detail = [{key: problem[key] for key in ("type", "loc", "msg")} for problem in error.errors()]
    return JSONResponse({"detail": detail}, status_code=HTTPStatus.UNPROCESSABLE_ENTITY)


@contextmanager
def failing_as(detail: str) -> Iterator[None]:
    """Answer 500 with a fixed text to whatever is not known by name.

    Only its type is logged: the text of a database's error holds SQL and values of rows.

    Raises:
        Refused: 500.
    """
    try:
        yield
    except NodeError:
        raise
    except Exception as error:  # noqa: BLE001 - logged here, once, and answered
        log.error("cohort.failed", error=type(error).__name__, answer=detail)  # noqa: TRY400 - see above
        raise Refused(500, detail) from None
