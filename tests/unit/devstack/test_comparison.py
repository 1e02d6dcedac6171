"""The demonstration fails when one file differs, and shows which."""

from __future__ import annotations

import io

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from flame_node_agent.cli import app, demo
from flame_node_agent.devstack.demo.analysis import Sent, Unexpected
from flame_node_agent.devstack.demo.comparison import Row, comparison
from flame_node_agent.devstack.demo.holdings import Held
from flame_node_agent.devstack.demo.narrator import Narrator
from flame_node_agent.devstack.demo.samples import Sample
from flame_node_agent.devstack.processes import StackError

SHA = "ab" * 32
SIZE = 256 << 20


def row(held: Held) -> Row:
    sample = Sample("coefficients.csv", "a table", SIZE, lambda: iter([]))
    return Row(Sent(sample, SHA, httpx.Response(204)), "/intermediate", "local store", held)


@pytest.mark.parametrize(
    ("held", "same"),
    [(Held(SIZE, SHA), True), (Held(SIZE + 1, SHA), False), (Held(SIZE, "ab" * 31 + "ac"), False)],
)
def test_only_the_same_size_and_all_digits_match(held: Held, same: bool) -> None:
    assert row(held).matches is same


def test_the_table_shows_what_differs_and_fits_eighty_columns() -> None:
    said = io.StringIO()
    narrator = Narrator(Console(file=said, width=80))
    narrator.show(comparison([row(Held(SIZE, SHA)), row(Held(SIZE, "cd" * 32))]))
    lines = said.getvalue().splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("coefficients.csv")] == ["same", "DIFF"]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("outcome", "exit_code", "said"),
    [
        (True, 0, ""),
        (False, 1, ""),
        (StackError("port 1 is taken"), 1, "flame-node demo has failed: port 1 is taken"),
        (Unexpected("the hub holds nothing"), 1, "flame-node demo has failed: the hub holds nothing"),
        (httpx.ConnectError("refused"), 1, "flame-node demo has failed: refused"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_the_exit_code_tells_the_outcome(
    monkeypatch: pytest.MonkeyPatch, outcome: bool | BaseException, exit_code: int, said: str
) -> None:
    def tell(_narrator: Narrator) -> bool:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(demo, "tell", tell)
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == exit_code
    assert said in result.output
