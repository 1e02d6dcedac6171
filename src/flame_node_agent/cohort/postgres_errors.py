"""What data-access-api answers for the errors of PostgreSQL (FLIP data-access-api; texts verbatim).

An error's own text may quote a value of the database, so of all of it only names of tables and columns get through,
which stood in the caller's query.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import errors as sqlstates

from flame_node_agent.errors import Busy, NodeError, Refused

QUERY_FAILED = "query_failed"
QUERY_TIMEOUT = "query_timeout"
INTERNAL_ERROR = "internal_error"

_RELATION = re.compile(r'relation "([^"\n]{1,200})"|table "([^"\n]{1,200})"')
_COLUMN = re.compile(r'column "?([^"\n]{1,200}?)"? does not exist')

_UNREACHABLE = (
    sqlstates.ConnectionException,
    sqlstates.AdminShutdown,
    sqlstates.CrashShutdown,
    sqlstates.CannotConnectNow,
    sqlstates.TooManyConnections,
    sqlstates.InvalidAuthorizationSpecification,
    sqlstates.InvalidCatalogName,
)


def refusal(error: BaseException) -> NodeError:
    """The refusal for an error of the driver or the server."""
    match error:
        case NodeError():
            return error
        case sqlstates.UndefinedTable():
            return Refused(400, f"The table '{_name(_RELATION, error)}' does not exist.")
        case sqlstates.UndefinedColumn():
            return Refused(400, f"The column '{_name(_COLUMN, error)}' does not exist.")
        case sqlstates.QueryCanceled():
            return Refused(500, QUERY_TIMEOUT)
        case psycopg.OperationalError() if error.sqlstate is None or isinstance(error, _UNREACHABLE):
            # The hub's error codes are a closed list; the status says that it may pass.
            return Busy(QUERY_FAILED)
        case psycopg.Error():
            return Refused(500, QUERY_FAILED)
        case _:
            return Refused(500, INTERNAL_ERROR)


def _name(pattern: re.Pattern[str], error: psycopg.Error) -> str:
    found = pattern.search(error.diag.message_primary or "")
    return next(filter(None, found.groups()), "?") if found else "?"
