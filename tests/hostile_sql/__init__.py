"""Statements that the SQL guard must refuse, each with the reason why somebody would send it.

`refused` are refused by the guard with 400. `harmless` of the second layer runs the same statements without the guard.
"""

from __future__ import annotations

from tests.hostile_sql import changes, functions, names, sizes, spelling

CORPUS: list[tuple[str, str]] = [
    (sql, f"{module.__name__.rpartition('.')[2]}: {reason}")
    for module in (changes, functions, names, spelling, sizes)
    for sql, reason in module.STATEMENTS
]
"""(statement, reason)"""
