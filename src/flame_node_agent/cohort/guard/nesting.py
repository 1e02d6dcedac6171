"""How deep brackets may go. Parsers recurse, and some of their guesses double with every level."""

from __future__ import annotations

from flame_node_agent.cohort.guard.functions import FUNCTIONS
from flame_node_agent.cohort.guard.tokens import Kind, Token, Unreadable
from flame_node_agent.cohort.guard.vocabulary import BEFORE_BRACKET, TYPES

DEEPEST = 40
"""Brackets inside brackets that a query may have; people stop at about ten."""

DOUBTFUL = 2
"""How many of them may be doubtful: square ones, and those after a word that could be a type. Behind such a word
sqlglot tries to read a type, then reads everything in the bracket again: 2^n times for n of them."""

_PLAIN = (FUNCTIONS | BEFORE_BRACKET) - TYPES


class Nesting:
    """Follows the brackets of one text."""

    def __init__(self) -> None:
        self._open: list[bool] = []  # whether each open bracket is a doubtful one

    def follow(self, token: Token, last: Token | None, sql: str) -> None:
        """Take the next token. Raises Unreadable when it goes too deep."""
        if token.kind is not Kind.MARK:
            return
        if token.text in ")]" and self._open:
            self._open.pop()
        elif token.text in "([":
            if token.text == "[" and last is not None and last.text == "]":
                raise Unreadable("index of an index", sql, token.start)
            self._open.append(token.text == "[" or _doubtful(last))
            if len(self._open) > DEEPEST or sum(self._open) > DOUBTFUL:
                raise Unreadable("too many levels of brackets", sql, token.start)


def _doubtful(word: Token | None) -> bool:
    return word is not None and word.kind in {Kind.WORD, Kind.NAME} and word.text.lower() not in _PLAIN
