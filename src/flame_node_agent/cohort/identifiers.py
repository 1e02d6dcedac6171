"""Columns that identify a person directly are not given row by row.

What is looked at are names: those of the query's columns, and those of the columns that values are taken from, so that
an alias does not help. Such a column may decide which rows there are and in which order (WHERE, ON, HAVING, GROUP BY,
ORDER BY), and nothing else. Whoever names a column of the database otherwise has to tell the setting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlglot
from sqlglot import exp

from flame_node_agent.errors import Refused


class DirectIdentifiers:
    """The names that the setting lists, in any case."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(name.casefold() for name in names)

    def check(self, columns: Collection[str], sql: str, *, status: int) -> None:
        """Refuse a query, guarded and re-emitted as ``sql``, that gives any of them.

        Raises:
            Refused: with ``status``.
        """
        if not self._names:
            return
        tree: exp.Expr = sqlglot.parse_one(sql, read="postgres")
        found = {name for name in (*columns, *_sources(tree)) if name.casefold() in self._names}
        if found:
            named = ", ".join(sorted({name.casefold() for name in found}))
            raise Refused(status, f"Columns that identify people directly are not released by row: {named}.")
        if _renamed(tree):
            raise Refused(status, "Columns are released by row only when the query names each of them.")


def _sources(tree: exp.Expr) -> Iterator[str]:
    """Columns that values are taken from: by a SELECT list, by VALUES, by a function in FROM, by USING."""
    for column in tree.find_all(exp.Column):
        if not _decides_only(column):
            yield column.name
    for join in tree.find_all(exp.Join):
        yield from (named.name for named in join.args.get("using") or ())


def _decides_only(column: exp.Expr) -> bool:
    """Whether the first clause around a column is one that gives no values."""
    inside = column
    while (outside := inside.parent) is not None:
        if isinstance(outside, exp.Where | exp.Having | exp.Group) or inside is outside.args.get("on"):
            return True
        if isinstance(outside, exp.Order) and isinstance(outside.parent, exp.Query):
            return True
        if isinstance(outside, exp.Query | exp.From | exp.Join | exp.Lateral):
            return False
        inside = outside
    return False


def _renamed(tree: exp.Expr) -> bool:
    """Whether columns that nobody names are given other names by their place."""
    by_alias = any(alias.columns and not _names_each(alias.parent) for alias in tree.find_all(exp.TableAlias))
    by_branch = any(_lists_all(both.expression) for both in tree.find_all(exp.SetOperation))
    return by_alias or by_branch


def _names_each(source: exp.Expr | None) -> bool:
    """Whether all columns of what an alias renames stand in the query: no table, no join of tables, no star."""
    if isinstance(source, exp.CTE | exp.Lateral | exp.Subquery):
        return _names_each(source.this)
    if isinstance(source, exp.Table):
        return isinstance(source.this, exp.Func)
    return isinstance(source, exp.Query | exp.Values | exp.Func) and not _lists_all(source)


def _lists_all(source: exp.Expr) -> bool:
    """Whether a SELECT list in there is a star; the star of ``count(*)`` is none."""
    return any(not isinstance(star.parent, exp.Count) for star in source.find_all(exp.Star))
