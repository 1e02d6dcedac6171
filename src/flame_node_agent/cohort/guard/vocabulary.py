"""The last look: what the emitted statement says to PostgreSQL, word by word.

Every identifier is quoted in it, so each word that is not quoted is a keyword, a type or a function. Only these can be
said. Whatever the parser took a query for, PostgreSQL cannot be made to see anything that has no word here.
"""

from __future__ import annotations

from collections.abc import Sequence

from flame_node_agent.cohort.guard.functions import CONSTANTS, FUNCTIONS, not_allowed, words
from flame_node_agent.cohort.guard.tokens import Kind, Token
from flame_node_agent.errors import Refused

KEYWORDS = words("""
    all and any array as asc at between both by case cast cross cube current desc distinct else end
    escape except exclude exists extract false fetch filter first following for from full group
    grouping groups having ilike in inner intersect interval is join last lateral leading left like
    limit materialized natural next no not null nulls offset on only or order ordinality others
    outer over overlaps partition placing preceding range recursive right rollup row rows select
    sets similar symmetric then ties time to trailing true unbounded union using values when where
    window with within zone
""")
UNITS = words("""
    century day days decade dow doy epoch hour hours isodow isoyear julian microsecond microseconds
    millennium millisecond milliseconds min mins minute minutes month months quarter sec second
    seconds secs week weeks year years
""")
TYPES = words("""
    bigint boolean bpchar char date decimal double float int interval numeric precision real
    smallint text time timestamp timestamptz uuid varchar
""")
WORDS = KEYWORDS | UNITS | TYPES | CONSTANTS

BEFORE_BRACKET = words("""
    all and any array as between by case char cube decimal distinct else escape except exists filter
    float from group having ilike in intersect is join lateral left like limit materialized not
    numeric offset on or over overlaps partition right rollup select sets similar then time
    timestamp timestamptz to union using values varchar when where within zone
""")
"""Words, other than functions, that an opening bracket may follow."""


def check_words(tokens: Sequence[Token]) -> None:
    """Refuse an emitted statement that says more than it may.

    Raises:
        Refused: 400 with the word.
    """
    for position, token in enumerate(tokens):
        called = position + 1 < len(tokens) and tokens[position + 1].text == "("
        if token.text == ";":
            raise Refused(400, "Exactly one SQL statement is allowed per request.")
        if token.kind is Kind.NAME and called and not _is_column_list(tokens, position):
            raise Refused(400, not_allowed(token.text[1:-1]))
        if token.kind is Kind.WORD:
            _check_word(token.text.lower(), called=called)


def _check_word(word: str, *, called: bool) -> None:
    if called and word not in FUNCTIONS | BEFORE_BRACKET | {"cast", "extract"}:
        raise Refused(400, not_allowed(word))
    if not called and word not in WORDS:
        raise Refused(400, f"'{word}' is not allowed in a query.")


def _is_column_list(tokens: Sequence[Token], position: int) -> bool:
    """Whether the bracket behind a quoted name holds column names: ``AS "t"("a")``, ``"c"("a") AS (SELECT …)``."""
    if position and tokens[position - 1].text.upper() == "AS":
        return True
    behind = position + 2
    while behind < len(tokens) and tokens[behind].text != ")":
        if tokens[behind].kind is not Kind.NAME and tokens[behind].text != ",":
            return False
        behind += 1
    return (
        behind + 2 < len(tokens)
        and tokens[behind + 1].text == "AS"
        and tokens[behind + 2].kind is not Kind.NAME
    )
