"""Tokens of SQL as PostgreSQL sees them ("PostgreSQL documentation, 4.1 Lexical Structure"), minus what is refused.

The parser that checks queries is not PostgreSQL's own. Where two readers of the same text could disagree (escape
strings, dollar quotes, comments, parameters, exotic characters), the text is refused before either reads it. The
same rules are applied to the statement that is emitted, so they hold for what PostgreSQL gets.
"""

from __future__ import annotations

import re

from flame_node_agent.cohort.guard.nesting import Nesting
from flame_node_agent.cohort.guard.tokens import Kind, Token, Unreadable

LONGEST_NAME = 63
"""Bytes of an identifier. PostgreSQL cuts off the rest without a word, so two names could become one."""

OPERATORS = frozenset(
    {"=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "||", "~", "~*", "!~", "!~*", "::", "=>"}
)
"""Those of numbers, times, texts and comparisons. `^` is left out: PostgreSQL and sqlglot rank it differently."""


_SPACE = re.compile(r"[ \t\r\n]+")
_LINE_COMMENT = re.compile(r"--[^\r\n]*")
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_TEXT = re.compile(r"'[^']*(?:''[^']*)*'")
_NAME = re.compile(r'"[^"]*(?:""[^"]*)*"')
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_LOOSE_END = re.compile(r"[~!@#%^&|`?]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PREFIXES = frozenset({"b", "e", "n", "x"})


def read(sql: str) -> tuple[list[Token], str]:
    """Give the tokens of ``sql``, and ``sql`` with every comment replaced by blanks (offsets stay the same).

    Raises:
        Unreadable: for whatever is not accepted, wherever it stands.
    """
    found = _CONTROL.search(sql)
    if found:
        raise Unreadable("control character", sql, found.start())
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise Unreadable("invalid Unicode", sql, error.start) from error
    tokens: list[Token] = []
    pieces: list[str] = []
    nesting = Nesting()
    offset = 0
    while offset < len(sql):
        end = _blank_end(sql, offset)
        if end > offset:
            pieces.append(re.sub(r"[^\r\n]", " ", sql[offset:end]))
            offset = end
            continue
        token = _token(sql, offset)
        _check_neighbours(sql, tokens, token)
        nesting.follow(token, tokens[-1] if tokens else None, sql)
        tokens.append(token)
        pieces.append(token.text)
        offset += len(token.text)
    return tokens, "".join(pieces)


def _blank_end(sql: str, offset: int) -> int:
    """Where the white space or comment that starts at ``offset`` ends; ``offset`` if none does."""
    for pattern in (_SPACE, _LINE_COMMENT):
        found = pattern.match(sql, offset)
        if found:
            return found.end()
    if not sql.startswith("/*", offset):
        return offset
    depth, position = 1, offset + 2  # unlike standard SQL, PostgreSQL nests these
    while depth:
        edge = _COMMENT_EDGE.search(sql, position)
        if edge is None:
            raise Unreadable("unterminated comment", sql, offset)
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position


def _token(sql: str, offset: int) -> Token:
    character = sql[offset]
    if character == "'":
        return Token(Kind.TEXT, _matched(_TEXT, sql, offset, "unterminated string"), offset)
    if character == '"':
        return _quoted_name(sql, offset)
    if found := _NUMBER.match(sql, offset):
        return Token(Kind.NUMBER, found.group(), offset)
    if found := _WORD.match(sql, offset):
        if len(found.group()) > LONGEST_NAME:
            raise Unreadable(f"name of more than {LONGEST_NAME} bytes", sql, offset)
        return Token(Kind.WORD, found.group(), offset)
    if sql.startswith("::", offset):
        return Token(Kind.OPERATOR, "::", offset)
    if found := _OPERATOR.match(sql, offset):
        return _operator(sql, offset, found.group())
    if character in "(),.;[]":
        return Token(Kind.MARK, character, offset)
    raise Unreadable("character that is not accepted outside of quotes", sql, offset)


def _quoted_name(sql: str, offset: int) -> Token:
    name = _matched(_NAME, sql, offset, "unterminated identifier")
    if not 0 < len(name[1:-1].replace('""', '"').encode()) <= LONGEST_NAME:
        raise Unreadable(f"name that is empty or has more than {LONGEST_NAME} bytes", sql, offset)
    return Token(Kind.NAME, name, offset)


def _operator(sql: str, offset: int, run: str) -> Token:
    """Cut one operator off a run of operator characters, by the rules of PostgreSQL's lexer."""
    for comment in ("--", "/*"):
        run = run.partition(comment)[0] if run.find(comment) > 0 else run
    if not _LOOSE_END.search(run):
        run = run[0] + run[1:].rstrip("+-")
    if run not in OPERATORS:
        raise Unreadable("operator that is not accepted", sql, offset)
    return Token(Kind.OPERATOR, run, offset)


def _matched(pattern: re.Pattern[str], sql: str, offset: int, problem: str) -> str:
    found = pattern.match(sql, offset)
    if found is None:
        raise Unreadable(problem, sql, offset)
    return found.group()


def _check_neighbours(sql: str, before: list[Token], token: Token) -> None:
    """Refuse pairs that PostgreSQL reads in a way of its own."""
    if not before:
        return
    last = before[-1]
    touching = last.start + len(last.text) == token.start
    if token.kind is Kind.TEXT:
        if last.kind is Kind.TEXT:
            raise Unreadable("two strings in a row", sql, token.start)
        if touching and last.kind is Kind.WORD and last.text.lower() in _PREFIXES:
            raise Unreadable("string with a prefix", sql, last.start)
    if touching and last.kind is Kind.NUMBER and token.kind in {Kind.WORD, Kind.NUMBER}:
        raise Unreadable("number that is not decimal", sql, last.start)
