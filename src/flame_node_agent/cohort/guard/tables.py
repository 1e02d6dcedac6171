"""Tables of a query: which may be named, and which names mean a common table expression.

Every other unqualified name is pinned to the schema, so that neither ``search_path`` nor PostgreSQL's own schemas,
which it searches first, have a say in what is read.
"""

from __future__ import annotations

from sqlglot import exp

from flame_node_agent.cohort.guard.functions import TABLE_FUNCTIONS, name_of, not_allowed
from flame_node_agent.errors import Refused

SCHEMA = "omop"

MOST = 100
"""Tables that a query may name, each mention counted. Planning takes PostgreSQL far longer than they would tell."""


def pin_tables(query: exp.Expr) -> None:
    """Check every table reference of ``query`` and qualify those that are no CTE with the schema, in place.

    Raises:
        Refused: 400 with the texts of FLIP data-access-api's query validation.
    """
    for common in query.find_all(exp.CTE):
        if common.alias.startswith("pg_"):
            raise Refused(400, "Names of common table expressions must not begin with 'pg_'.")
    tables = list(query.find_all(exp.Table))
    if len(tables) > MOST:
        raise Refused(400, f"A query may name at most {MOST} tables.")
    for table in tables:
        _pin(table)
    for lateral in query.find_all(exp.Lateral):
        _check_lateral(lateral)
    for column in query.find_all(exp.Column):
        _check_qualifier(column)


def _pin(table: exp.Table) -> None:
    if isinstance(table.this, exp.Func):
        _check_table_function(table.this)
        if table.args.get("db") or table.args.get("catalog"):
            raise Refused(400, "Malformed table reference.")
        return
    if not isinstance(table.this, exp.Identifier) or not table.name or table.args.get("ordinality"):
        raise Refused(400, "Malformed table reference.")
    _check_qualifier(table)
    if not table.args.get("db") and table.name not in _visible(table):
        table.set("db", exp.to_identifier(SCHEMA, quoted=True))


def _check_qualifier(named: exp.Table | exp.Column) -> None:
    """Schema and database of a table, or of a column that is written with them."""
    if named.args.get("catalog"):
        raise Refused(400, "Cross-database table references are not allowed.")
    schema = named.args.get("db")
    if schema is not None and schema.name != SCHEMA:
        raise Refused(
            400, f"Schema '{schema.name}' is not accessible. Only the '{SCHEMA}' schema is allowed."
        )


def _check_table_function(call: exp.Func) -> None:
    if not isinstance(call, exp.ExplodingGenerateSeries | exp.GenerateSeries | exp.Unnest | exp.Explode):
        raise Refused(400, not_allowed(name_of(call), TABLE_FUNCTIONS))


def _check_lateral(lateral: exp.Lateral) -> None:
    if isinstance(lateral.this, exp.Func):
        _check_table_function(lateral.this)
    elif not isinstance(lateral.this, exp.Subquery):
        raise Refused(400, "Malformed table reference.")


def _visible(table: exp.Table) -> set[str]:
    """Names of the CTEs that are visible where ``table`` stands ("PostgreSQL documentation, SELECT, WITH clause").

    A WITH is visible in the query it belongs to and everything inside; a CTE of it in those after it, and with
    RECURSIVE in all of them and itself.
    """
    names: set[str] = set()
    inside: exp.Expr = table
    common: exp.CTE | None = None
    while inside.parent is not None:
        outside = inside.parent
        if isinstance(inside, exp.CTE):
            common = inside
        if isinstance(inside, exp.With):
            for other in inside.expressions:
                if other is common and not inside.args.get("recursive"):
                    break
                names.add(other.alias)
        else:
            clause = outside.args.get("with_")
            if clause is not None:
                names.update(other.alias for other in clause.expressions)
        inside = outside
    return names
