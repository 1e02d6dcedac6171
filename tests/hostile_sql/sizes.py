"""Texts that are meant to exhaust whoever reads them."""

from __future__ import annotations


def _filled(start: str, unit: str, end: str = "") -> str:
    return start + unit * ((10240 - len(start) - len(end)) // len(unit)) + end


STATEMENTS: list[tuple[str, str]] = [
    ("SELECT " + "1 " * 6000, "too long"),
    (_filled("SELECT ", "(", "1"), "brackets that do not end"),
    ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "deep brackets"),
    ("SELECT " + "((" * 60 + "1" + "))" * 60, "brackets deeper than accepted"),
    ("SELECT * FROM " + "(SELECT * FROM " * 60 + "person" + ") x" * 60, "deep subqueries"),
    ("SELECT " + "abs(" * 60 + "1" + ")" * 60, "deep calls"),
    ("SELECT " + "CASE WHEN true THEN " * 300 + "1" + " END" * 300, "deep CASE"),
    (_filled("SELECT ", "NOT ", "true"), "a chain of NOT"),
    (_filled("SELECT ", "- ", "1"), "a chain of signs"),
    (_filled("SELECT a", "::int", " FROM person"), "a chain of casts"),
    (_filled("SELECT a", "[1]", " FROM person"), "a chain of indexes"),
    (_filled("SELECT a", ".a", " FROM person"), "a chain of names"),
    ("SELECT " + "ARRAY[" * 30 + "1" + "]" * 30, "deep arrays, which double the work with each level"),
    ("SELECT " + "int(" * 30 + "1" + ")" * 30, "deep types, which double the work with each level"),
    ("SELECT " + "null[" * 30 + "1" + "]" * 30, "deep indexes, which double the work with each level"),
    ("SELECT " + "date(" * 30 + "a" + ")" * 30, "deep conversions, which double the work with each level"),
    (_filled("SELECT 1 WHERE a", " BETWEEN 1 AND 2"), "a chain of BETWEEN"),
    (_filled("SELECT 1 FROM person", ", person"), "a join that takes longer to plan than to wait for"),
    (_filled("SELECT '", "a"), "a text that does not end"),
    (_filled("SELECT 1 ", "/*"), "comments that do not end"),
    (_filled("SELECT 1 ", ";"), "empty statements"),
]
