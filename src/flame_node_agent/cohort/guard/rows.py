"""Columns that are no columns: system columns, whole rows, and functions that are called like a column.

PostgreSQL reads ``t.f`` as ``f(t)`` when ``t`` has no column ``f`` ("PostgreSQL documentation, 8.16.5"). For a table of
a query that is a function of one value, ``f`` may be any function that takes such a value:
``SELECT s.pg_sleep FROM generate_series(9, 9) AS s`` sleeps. So columns of table functions must be declared, and names
of functions that take any row are no columns of tables.
"""

from __future__ import annotations

from sqlglot import exp

from flame_node_agent.cohort.guard.functions import FUNCTIONS, words
from flame_node_agent.cohort.guard.sources import Source, sources_of
from flame_node_agent.errors import Refused

SYSTEM_COLUMNS = frozenset({"cmax", "cmin", "ctid", "oid", "tableoid", "xmax", "xmin"})

ROW_FUNCTIONS = FUNCTIONS | words("""
    any_out any_value_transfn anycompatible_out anycompatiblenonarray_out anyelement_out
    anynonarray_out array_append array_cat array_fill array_in array_ndims array_out array_prepend
    array_to_json array_unnest_support concat_ws elem_contained_by_range enum_first enum_last
    enum_range format hash_record hash_record_extended json_agg json_agg_strict json_agg_transfn
    json_build_array json_build_object json_populate_record jsonb_agg jsonb_agg_strict
    jsonb_build_array jsonb_build_object jsonb_populate_record jsonb_populate_record_valid
    multirange num_nonnulls num_nulls pg_collation_for pg_column_compression pg_column_size
    pg_column_toast_chunk_id pg_restore_attribute_stats pg_restore_relation_stats pg_typeof
    quote_literal quote_nullable random record_image_out record_in record_larger record_out
    record_recv record_send record_smaller row_to_json to_json to_jsonb
""")
"""Functions that take a row of any table; a test compares this with what a real PostgreSQL has."""


def check_columns(query: exp.Expr) -> None:
    """Refuse columns that PostgreSQL could take for something else. To be called after the tables were pinned.

    Raises:
        Refused: 400 with the column's name.
    """
    for identifier in query.find_all(exp.Identifier):
        if identifier.name in SYSTEM_COLUMNS:
            raise Refused(400, f"The system column '{identifier.name}' is not accessible.")
    sources = sources_of(query)
    for column in query.find_all(exp.Column):
        if isinstance(column.this, exp.Star):
            continue
        if column.table:
            _check_qualified(column, sources.get(column.table, []))
        elif any(
            not source.is_function and column.name not in source.columns
            for source in sources.get(column.name, [])
        ):
            raise Refused(400, f"'{column.name}' names a whole row; name its columns.")


def _check_qualified(column: exp.Column, sources: list[Source]) -> None:
    if not sources:
        raise Refused(400, f"'{column.table}' is not a table of this query.")
    for source in sources:
        if column.name not in source.columns and (source.is_function or column.name in ROW_FUNCTIONS):
            raise Refused(400, f"The column '{column.name}' does not exist.")
