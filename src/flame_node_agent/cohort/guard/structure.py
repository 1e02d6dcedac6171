"""What a query may be made of: node types of sqlglot's tree, each with the arguments that it may have.

An allowlist: a construct that is not listed here is refused, whatever it is called, and so is a listed one with an
argument that is not (a lock, a sample, a hint, INTO). New versions of sqlglot cannot open anything by learning more.
"""

from __future__ import annotations

from sqlglot import exp

from flame_node_agent.cohort.guard.functions import FUNCTION_NODES, FUNCTIONS, name_of, not_allowed
from flame_node_agent.errors import Refused

_BINARY = "this expression"
_NODES: dict[type[exp.Expr], str] = {
    # statements
    exp.Select: "with_ expressions distinct from_ joins where group having windows order limit offset",
    exp.Union: "with_ this expression distinct order limit offset",
    exp.Intersect: "with_ this expression distinct order limit offset",
    exp.Except: "with_ this expression distinct order limit offset",
    exp.Subquery: "this alias order limit offset",
    exp.Values: "expressions alias",
    exp.With: "expressions recursive",
    exp.CTE: "this alias materialized",
    # where rows come from
    exp.From: "this",
    exp.Join: "this side kind method on using",
    exp.Lateral: "this alias ordinality",
    exp.Table: "this db catalog alias joins ordinality",
    exp.TableAlias: "this columns",
    exp.Unnest: "expressions alias offset",
    # clauses
    exp.Distinct: "expressions on",
    exp.Where: "this",
    exp.Group: "expressions rollup cube grouping_sets",
    exp.Rollup: "expressions",
    exp.Cube: "expressions",
    exp.GroupingSets: "expressions",
    exp.Having: "this",
    exp.Order: "this expressions",
    exp.Ordered: "this desc nulls_first",
    exp.Limit: "expression",
    exp.Offset: "expression",
    exp.Fetch: "direction count limit_options",
    exp.LimitOptions: "rows with_ties",
    exp.Window: "this partition_by order spec alias over first",
    exp.WindowSpec: "kind start start_side end end_side exclude",
    exp.WithinGroup: _BINARY,
    exp.Filter: _BINARY,
    # names and values
    exp.Alias: "this alias",
    exp.Column: "this table db catalog",
    exp.Identifier: "this quoted",
    exp.Star: "",
    exp.Literal: "this is_string",
    exp.Boolean: "this",
    exp.Null: "",
    exp.Var: "this",
    exp.Interval: "this unit",
    exp.IntervalSpan: _BINARY,
    exp.Array: "expressions",
    exp.Tuple: "expressions",
    exp.Paren: "this",
    exp.Bracket: "this expressions offset",
    exp.Kwarg: _BINARY,
    exp.Cast: "this to _type",
    exp.DataType: "this expressions nested",
    exp.DataTypeParam: "this",
    # conditions
    exp.And: _BINARY,
    exp.Or: _BINARY,
    exp.Not: "this",
    exp.EQ: _BINARY,
    exp.NEQ: _BINARY,
    exp.GT: _BINARY,
    exp.GTE: _BINARY,
    exp.LT: _BINARY,
    exp.LTE: _BINARY,
    exp.NullSafeEQ: _BINARY,
    exp.NullSafeNEQ: _BINARY,
    exp.Is: "this expression negate",
    exp.Between: "this low high symmetric",
    exp.In: "this expressions query",
    exp.Exists: "this",
    exp.Any: "this",
    exp.All: "this",
    exp.Overlaps: _BINARY,
    exp.Like: "this expression negate",
    exp.ILike: "this expression negate",
    exp.SimilarTo: _BINARY,
    exp.Escape: _BINARY,
    exp.RegexpLike: "this expression flag",
    exp.RegexpILike: _BINARY,
    exp.Case: "this ifs default",
    exp.If: "this true",
    # arithmetic
    exp.Add: _BINARY,
    exp.Sub: _BINARY,
    exp.Mul: _BINARY,
    exp.Div: "this expression typed safe",
    exp.Mod: _BINARY,
    exp.Neg: "this",
    exp.DPipe: "this expression safe",
    exp.AtTimeZone: "this zone",
}
NODES = {kind: frozenset(arguments.split()) for kind, arguments in _NODES.items()}

_DATA_MODIFYING = (exp.DML, exp.Into)

_NAMED: dict[type[exp.Expr], str] = {
    exp.Lock: "Row locks are not allowed.",
    exp.TableSample: "TABLESAMPLE is not allowed.",
    exp.Parameter: "Parameters are not allowed.",
    exp.Placeholder: "Parameters are not allowed.",
    exp.Dot: "Schema-qualified functions and fields of rows are not allowed.",
    exp.ObjectIdentifier: "Object identifier types are not allowed.",
}
"""Clear words for what people really write; anything else is refused by its kind."""


def check_no_changes(query: exp.Expr) -> None:
    """Refuse statements that change data, also inside of others.

    Raises:
        Refused: 400 (FLIP data-access-api, query validation).
    """
    if any(isinstance(node, _DATA_MODIFYING) for node in query.walk()):
        raise Refused(400, "Data-modifying statements are not allowed.")


def check_structure(query: exp.Expr) -> None:
    """Refuse everything that is not listed here.

    Raises:
        Refused: 400 with the construct's or function's name.
    """
    for node in query.walk():
        kind = type(node)
        if kind in NODES:
            for argument, value in node.args.items():
                if argument not in NODES[kind] and _given(value):
                    _refuse(node, value)
            _check_star(node)
            _check_bare(node)
        elif kind is exp.Anonymous:
            _check_unknown_call(node)
        elif kind not in FUNCTION_NODES:
            _refuse(node, node)


def _given(value: object) -> bool:
    """Whether an argument says anything; sqlglot notes the absence of some as False or an empty list."""
    return value is not None and value is not False and value != []


def _refuse(node: exp.Expr, found: object) -> None:
    """Refuse ``found`` (a node, or an argument of ``node``)."""
    first = found[0] if isinstance(found, list) else found
    culprit = first if isinstance(first, exp.Expr) else node
    if type(culprit) in _NAMED:
        raise Refused(400, _NAMED[type(culprit)])
    if isinstance(culprit, exp.Func) and type(culprit) not in NODES:
        raise Refused(400, not_allowed(name_of(culprit)))
    raise Refused(400, f"This form of {culprit.key} is not allowed in a query.")


def _check_unknown_call(call: exp.Expr) -> None:
    """A function that sqlglot has no node for: by its name, and only if the name is not quoted."""
    name = call.this
    if not isinstance(name, str) or name.lower() not in FUNCTIONS:
        raise Refused(400, not_allowed(call.name[:63]))


def _check_bare(node: exp.Expr) -> None:
    """Texts that sqlglot turns into words, as in date_part('year', x), must be a word."""
    if isinstance(node, exp.Var) and not (node.name.isascii() and node.name.isidentifier()):
        raise Refused(400, f"This form of {node.key} is not allowed in a query.")


def _check_star(node: exp.Expr) -> None:
    """``*`` and ``t.*`` stand in a SELECT list, ``*`` in count(*). Elsewhere they are whole rows."""
    if not isinstance(node, exp.Star):
        return
    place = node.parent
    if isinstance(place, exp.Column):
        place = place.parent
    elif isinstance(place, exp.Count):
        return
    if not isinstance(place, exp.Select):
        raise Refused(400, "Whole rows are not allowed as values; name the columns.")
