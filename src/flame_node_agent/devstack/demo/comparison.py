"""The table at the end: what was sent against what is held."""

from __future__ import annotations

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flame_node_agent.devstack.demo.analysis import Sent
from flame_node_agent.devstack.demo.holdings import Held
from flame_node_agent.devstack.demo.narrator import human

_SHOWN = 10


@dataclass(frozen=True)
class Row:
    """One file: where it was sent to, who holds it now, and what."""

    sent: Sent
    route: str
    holder: str
    held: Held

    @property
    def matches(self) -> bool:
        return self.held == Held(self.sent.sample.size, self.sent.sha256)


def comparison(rows: list[Row]) -> Table:
    """The table; it fits 80 columns."""
    caption = f"SHA-256: first {_SHOWN} of 64 digits shown, all compared"
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, caption=caption, caption_justify="left")
    for heading in ("file", "size", "sent to", "held by", "SHA sent", "SHA held", ""):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "size" else "left")
    for row in rows:
        table.add_row(
            row.sent.sample.name,
            human(row.sent.sample.size),
            row.route,
            row.holder,
            row.sent.sha256[:_SHOWN],
            row.held.sha256[:_SHOWN],
            Text("same", "green") if row.matches else Text("DIFF", "bold red"),
        )
    return table
