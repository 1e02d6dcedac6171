"""Types that a value may be cast to: the built-in ones of plain data.

Not among them: object identifiers (regclass and the like look into the catalog), xml, json, bytea, and whatever the
database's owner has defined.
"""

from __future__ import annotations

from sqlglot import exp

from flame_node_agent.errors import Refused

TYPES = frozenset(
    {
        exp.DType.BIGINT,
        exp.DType.BOOLEAN,
        exp.DType.BPCHAR,
        exp.DType.CHAR,
        exp.DType.DATE,
        exp.DType.DECIMAL,
        exp.DType.DOUBLE,
        exp.DType.FLOAT,
        exp.DType.INT,
        exp.DType.INTERVAL,
        exp.DType.SMALLINT,
        exp.DType.TEXT,
        exp.DType.TIME,
        exp.DType.TIMESTAMP,
        exp.DType.TIMESTAMPTZ,
        exp.DType.UUID,
        exp.DType.VARCHAR,
    }
)

_REFUSAL = "Casts are allowed to numbers, text, boolean, uuid, dates, times, intervals and arrays of these."


def check_types(query: exp.Expr) -> None:
    """Refuse casts to anything else.

    Raises:
        Refused: 400.
    """
    for cast in query.find_all(exp.Cast):
        if not _plain(cast.args["to"]):
            raise Refused(400, _REFUSAL)
    for interval in query.find_all(exp.Interval):
        if not (isinstance(interval.this, exp.Literal) and interval.this.is_string):
            raise Refused(400, "An interval must be a literal, such as INTERVAL '3 months'.")


def _plain(kind: object) -> bool:
    if not isinstance(kind, exp.DataType):
        return False
    if kind.this == exp.DType.ARRAY:
        return len(kind.expressions) == 1 and _plain(kind.expressions[0])
    return kind.this in TYPES and all(_whole_number(parameter) for parameter in kind.expressions)


def _whole_number(parameter: exp.Expr) -> bool:
    value = parameter.this
    return isinstance(value, exp.Literal) and not value.is_string and value.name.isdigit()
