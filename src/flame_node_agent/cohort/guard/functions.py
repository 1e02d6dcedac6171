"""The functions that a query may call. None writes, waits, reads files or settings, or gives another answer each time.

Names are PostgreSQL's own, in lower case. A test asks a real PostgreSQL about every one of them: none may be volatile,
none written in SQL or a procedural language, none run with its owner's rights.
"""

from __future__ import annotations

import re

from sqlglot import exp


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


AGGREGATES = words("""
    any_value array_agg avg bool_and bool_or corr count covar_pop covar_samp every grouping max min
    mode percentile_cont percentile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance
""")
WINDOW = words("""
    cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank
    row_number
""")
NUMBERS = words("""
    abs cbrt ceil ceiling div exp floor greatest least ln log mod pi power round sign sqrt trunc
    width_bucket
""")
TEXTS = words("""
    btrim char_length character_length concat concat_ws initcap left length lower lpad ltrim md5
    overlay position regexp_count regexp_like regexp_match regexp_replace regexp_substr replace
    reverse right rpad rtrim split_part starts_with strpos substr substring translate trim upper
""")
TIMES = words("""
    age date date_bin date_part date_trunc extract isfinite justify_days justify_hours
    justify_interval make_date make_interval make_timestamp now to_char to_date to_number
    to_timestamp
""")
ARRAYS = words("array_length array_position array_to_string cardinality string_to_array")
CONDITIONS = words("coalesce nullif")

TABLE_FUNCTIONS = frozenset({"generate_series", "unnest"})
"""The only ones that may stand in FROM (FLIP data-access-api, query validation)."""

FUNCTIONS = AGGREGATES | WINDOW | NUMBERS | TEXTS | TIMES | ARRAYS | CONDITIONS | TABLE_FUNCTIONS

CONSTANTS = frozenset({"current_date", "current_timestamp", "localtimestamp"})
"""Functions that are called without parentheses."""

FUNCTION_NODES: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Abs,
        exp.AnyValue,
        exp.ArrayAgg,
        exp.ArrayPosition,
        exp.ArraySize,
        exp.ArrayToString,
        exp.Avg,
        exp.Cbrt,
        exp.Ceil,
        exp.Coalesce,
        exp.Concat,
        exp.ConcatWs,
        exp.Corr,
        exp.Count,
        exp.CovarPop,
        exp.CovarSamp,
        exp.CumeDist,
        exp.CurrentDate,
        exp.CurrentTimestamp,
        exp.Date,
        exp.DateBin,
        exp.DateFromParts,
        exp.DenseRank,
        exp.Exp,
        exp.ExplodingGenerateSeries,
        exp.Explode,
        exp.Extract,
        exp.FirstValue,
        exp.Floor,
        exp.GenerateSeries,
        exp.Greatest,
        exp.GroupConcat,
        exp.Grouping,
        exp.Initcap,
        exp.IntDiv,
        exp.JustifyDays,
        exp.JustifyHours,
        exp.JustifyInterval,
        exp.Lag,
        exp.LastValue,
        exp.Lead,
        exp.Least,
        exp.Left,
        exp.Length,
        exp.Ln,
        exp.Localtimestamp,
        exp.Log,
        exp.LogicalAnd,
        exp.LogicalOr,
        exp.Lower,
        exp.MD5,
        exp.MakeInterval,
        exp.Max,
        exp.Min,
        exp.Mode,
        exp.NthValue,
        exp.Ntile,
        exp.Nullif,
        exp.Overlay,
        exp.Pad,
        exp.PercentRank,
        exp.PercentileCont,
        exp.PercentileDisc,
        exp.Pi,
        exp.Pow,
        exp.Rank,
        exp.RegexpCount,
        exp.RegexpExtract,
        exp.RegexpReplace,
        exp.RegrAvgx,
        exp.RegrAvgy,
        exp.RegrCount,
        exp.RegrIntercept,
        exp.RegrR2,
        exp.RegrSlope,
        exp.Replace,
        exp.Reverse,
        exp.Right,
        exp.Round,
        exp.RowNumber,
        exp.Sign,
        exp.SplitPart,
        exp.Sqrt,
        exp.StartsWith,
        exp.Stddev,
        exp.StddevPop,
        exp.StddevSamp,
        exp.StrPosition,
        exp.StrToDate,
        exp.StrToTime,
        exp.StringToArray,
        exp.Substring,
        exp.Sum,
        exp.TimeToStr,
        exp.TimestampFromParts,
        exp.TimestampTrunc,
        exp.ToChar,
        exp.ToNumber,
        exp.Translate,
        exp.Trim,
        exp.Trunc,
        exp.UnixToTime,
        exp.Upper,
        exp.Variance,
        exp.VariancePop,
        exp.WidthBucket,
    }
)
"""What sqlglot calls them, where it knows them. What it emits for them is checked against the names above."""


def name_of(call: exp.Func) -> str:
    """The function's name in lower case, cut to the length of a name: PostgreSQL's, or else sqlglot's."""
    if isinstance(call, exp.Anonymous):
        return call.name.lower()[:63]
    emitted = re.match(r"[A-Za-z_][A-Za-z0-9_]*", call.sql(dialect="postgres"))
    if emitted and emitted.group().lower() not in FUNCTIONS | {"cast"}:
        return emitted.group().lower()[:63]
    return call.sql_name().lower()


def not_allowed(name: str, allowed: frozenset[str] = FUNCTIONS) -> str:
    """The refusal (FLIP data-access-api, literal of its query validation)."""
    return f"'{name}' is not an allowed function. Allowed: {', '.join(sorted(allowed))}"
