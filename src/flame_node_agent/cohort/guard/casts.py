"""Casts to dates and times, written so that no text which is made or stored can mean the current time in them.

PostgreSQL reads ``today`` as a date wherever a text becomes one, however the text came about. Which texts those are is
known when the query runs, so the question is put into the statement: a text with one of the :data:`SPECIAL` words
gives NULL. It costs nothing where there is no text: whether a value is a text or a time follows from its type, so
PostgreSQL's planner answers that by itself, and plans as if only the value were there.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from flame_node_agent.errors import Refused

SPECIAL = ("now", "today", "tomorrow", "yesterday")
"""Words that mean the current time ("PostgreSQL documentation, 8.5.1.4 Special Values"). The others are constant."""

MOST_ADDED = 20_480
"""Characters that casts may add to a query: about a hundred casts of columns. Each names its value three times, so
casts inside each other grow with every level."""

_PATTERN = "|".join(SPECIAL)

_DAY = "2020-01-01"
_SAME_DAY = "1 Jan 2020"
"""Equal as dates and timestamps, different as texts."""

_DAYS = frozenset({exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ})
_TIMES = _DAYS | {exp.DType.TIME}
_SETS = (exp.Explode, exp.ExplodingGenerateSeries, exp.GenerateSeries, exp.Unnest)
_NO_TEXT = (
    exp.Add,
    exp.AtTimeZone,
    exp.CurrentDate,
    exp.CurrentTimestamp,
    exp.DateFromParts,
    exp.ExplodingGenerateSeries,
    exp.GenerateSeries,
    exp.Interval,
    exp.Localtimestamp,
    exp.Null,
    exp.StrToDate,
    exp.StrToTime,
    exp.Sub,
    exp.TimestampFromParts,
    exp.TimestampTrunc,
    exp.UnixToTime,
)
"""What gives no text, whatever it is given."""

_MOMENTS = (exp.AtTimeZone, exp.CurrentTimestamp, exp.Literal, exp.Localtimestamp, exp.TimestampTrunc)
"""What is no time of day where AT TIME ZONE follows it."""


def write_casts(query: exp.Expr) -> None:
    """Write the casts of ``query`` to dates and times anew, in place. What is written so already stays as it is.

    Raises:
        Refused: 400, for casts that cannot be written so.
    """
    for cast in _casts(query):
        if _is_written(cast.this):
            cast.set("this", cast.this.args["default"])
    if any(exp.DType.TIME in _kinds(cast) for cast in _casts(query)):
        _check_zones(query)
    added = 0
    for cast in reversed([cast for cast in _casts(query) if not _is_harmless(cast)]):  # those inside first
        _check(cast)
        before = len(_text(cast.this))
        added += 2 * before
        if added <= MOST_ADDED:
            cast.set("this", _written(cast.this, _kinds(cast)))
            added += len(_text(cast.this)) - 3 * before
        if added > MOST_ADDED:
            raise Refused(400, "Too many casts to dates and times, or too long ones.")


def _casts(query: exp.Expr) -> Iterator[exp.Expr]:
    """All casts to dates and times; ``date(x)`` is one, too ("PostgreSQL documentation, 4.2.9 Type Casts")."""
    return (cast for cast in query.find_all(exp.Cast, exp.Date) if _kinds(cast) & _TIMES)


def _kinds(cast: exp.Expr) -> frozenset[exp.DType]:
    if isinstance(cast, exp.Date):
        return frozenset({exp.DType.DATE})
    return frozenset(kind.this for kind in cast.args["to"].find_all(exp.DataType))


def _is_harmless(cast: exp.Expr) -> bool:
    """Whether what is cast stands in the query, where :mod:`.moments` looks at it, or is no text by its form."""
    value = cast.this.unnest()
    if isinstance(value, exp.Array):
        return all(isinstance(element, exp.Literal | exp.Null) for element in value.expressions)
    if isinstance(value, exp.Cast):
        return value.args["to"].this in _TIMES | {exp.DType.INTERVAL}
    return isinstance(value, (exp.Literal, *_NO_TEXT))


def _check(cast: exp.Expr) -> None:
    """Refuse what the written form has no place for."""
    if exp.DType.ARRAY in _kinds(cast):
        raise Refused(400, "Only texts that are written out may be cast to arrays of dates or times.")
    inside = cast.this.walk(prune=lambda node: isinstance(node, exp.Query))
    if any(isinstance(node, _SETS) for node in inside):
        raise Refused(400, "Put unnest and generate_series into FROM to cast what they give.")


def _check_zones(query: exp.Expr) -> None:
    """A time of day is another one in a zone that has summer time, depending on today (PostgreSQL, ``timetz_zone``)."""
    for shift in query.find_all(exp.AtTimeZone):
        value = shift.this.unnest()
        is_day = isinstance(value, exp.Cast) and value.args["to"].this in _DAYS
        if not is_day and not isinstance(value, _MOMENTS):
            raise Refused(
                400, "In a query with casts to time, cast what stands before AT TIME ZONE to timestamp."
            )


def _written(value: exp.Expr, kinds: frozenset[exp.DType]) -> exp.Expr:
    """``value``, or NULL if it is a text that means the current time. Columns keep their names by it."""
    is_special: exp.Expr = exp.RegexpILike(
        this=exp.Concat(expressions=[value.copy()], safe=True, coalesce=True),
        expression=exp.Literal.string(_PATTERN),
    )
    if kinds <= _DAYS:
        # A NULL of the value's type makes a text or a date of the literals. All of this is constant.
        typed = exp.Case(ifs=[exp.If(this=exp.false(), true=value.copy())])
        day = exp.Coalesce(this=typed, expressions=[exp.Literal.string(_DAY)])
        is_text = exp.NEQ(this=day, expression=exp.Literal.string(_SAME_DAY))
        is_special = exp.And(this=is_text, expression=is_special)
    return exp.Case(ifs=[exp.If(this=is_special, true=exp.null())], default=value.copy())


def _is_written(value: exp.Expr) -> bool:
    """Whether ``value`` has the form of :func:`_written`'s. What it is made of is written again in any case."""
    match value:
        case exp.Case(
            args={"ifs": [exp.If(args={"this": condition, "true": exp.Null()})], "default": exp.Expr()}
        ):
            question = condition.expression if isinstance(condition, exp.And) else condition
            return isinstance(question, exp.RegexpILike) and question.expression.name == _PATTERN
        case _:
            return False


def _text(node: exp.Expr) -> str:
    return node.sql(dialect="postgres", identify=True)
