"""LIMIT, OFFSET and FETCH take a number that is written out: a computed one tells what it was computed from."""

from __future__ import annotations

from sqlglot import exp

from flame_node_agent.errors import Refused

_LARGEST = 2**63 - 1


def check_limits(query: exp.Expr) -> None:
    """Refuse anything but a literal integer.

    Raises:
        Refused: 400 (FLIP data-access-api, query validation).
    """
    for node in query.find_all(exp.Limit, exp.Offset, exp.Fetch):
        count = node.args.get("count" if isinstance(node, exp.Fetch) else "expression")
        if isinstance(node, exp.Fetch) and count is None:
            continue  # FETCH FIRST ROW ONLY: one row
        if not _literal_integer(count):
            clause = "OFFSET" if isinstance(node, exp.Offset) else "LIMIT"
            raise Refused(400, f"{clause} must be a literal integer.")


def _literal_integer(value: object) -> bool:
    return (
        isinstance(value, exp.Literal)
        and not value.is_string
        and value.name.isascii()
        and value.name.isdigit()
        and int(value.name) <= _LARGEST
    )
