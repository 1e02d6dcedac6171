"""What the names in front of a dot stand for in a query, and which columns that has for certain."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sqlglot import exp

from flame_node_agent.cohort.guard.functions import name_of


@dataclass(frozen=True)
class Source:
    """Something rows come from. ``columns`` are those that are known; all of them if it is a table function."""

    columns: frozenset[str]
    is_function: bool = False


def sources_of(query: exp.Expr) -> dict[str, list[Source]]:
    """Everything that a name may stand for, anywhere in ``query``: no scopes, so never less than what PostgreSQL sees.

    Tables of the schema must have been pinned: an unqualified one is a reference to a common table expression.
    """
    commons: dict[str, list[frozenset[str]]] = defaultdict(list)
    for common in query.find_all(exp.CTE):
        commons[common.alias].append(_renamed(common, _output(common.this)))
    found: dict[str, list[Source]] = defaultdict(list)
    for node in query.walk():
        match node:
            case exp.Table(this=exp.Func() as call) | exp.Lateral(this=exp.Func() as call):
                name = node.alias or name_of(call)
                found[name].append(_function(node, name))
            case exp.Unnest() if not isinstance(node.parent, exp.Lateral | exp.Table):
                name = node.alias or "unnest"
                found[name].append(_function(node, name))
            case exp.Table():
                known = frozenset[str]()
                if not node.db and commons[node.name]:
                    known = frozenset.intersection(*commons[node.name])
                found[node.alias_or_name].append(Source(_renamed(node, known)))
            case exp.Subquery() | exp.Lateral() | exp.Values() if node.alias:
                output = node if isinstance(node, exp.Values) else node.this
                found[node.alias].append(Source(_renamed(node, _output(output))))
            case _:
                pass
    return found


def _function(node: exp.Expr, name: str) -> Source:
    declared = _declared(node)
    columns = set(declared or [name])
    offset = node.args.get("offset")
    if isinstance(offset, exp.Identifier):
        columns.add(offset.name)
    elif offset or node.args.get("ordinality"):
        columns.add("ordinality")
    return Source(frozenset(columns), is_function=True)


def _declared(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    return [column.name for column in alias.columns] if isinstance(alias, exp.TableAlias) else []


def _renamed(node: exp.Expr, columns: frozenset[str]) -> frozenset[str]:
    """A list of column names after the alias replaces the names that are inside."""
    return frozenset(_declared(node)) or columns


def _output(query: exp.Expr) -> frozenset[str]:
    """Names of those columns of a query's rows that can be told without knowing the tables."""
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    if isinstance(query, exp.Values):
        first = query.expressions[0]
        width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
        return frozenset(f"column{number}" for number in range(1, width + 1))
    if not isinstance(query, exp.Select):
        return frozenset()
    return frozenset(name for expression in query.expressions if (name := _output_name(expression)))


def _output_name(expression: exp.Expr) -> str:
    if isinstance(expression, exp.Alias):
        return expression.alias
    if isinstance(expression, exp.Column) and not isinstance(expression.this, exp.Star):
        return expression.name
    if isinstance(expression, exp.Window | exp.Filter | exp.WithinGroup):
        return _output_name(expression.this)
    return name_of(expression) if isinstance(expression, exp.Func) else ""
