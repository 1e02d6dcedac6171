"""What every chapter of the demonstration works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from flame_node_agent.devstack.demo.analysis import Analysis, Sent
from flame_node_agent.devstack.demo.cohort_comparison import CohortRow
from flame_node_agent.devstack.demo.comparison import Row
from flame_node_agent.devstack.demo.holdings import HubHoldings
from flame_node_agent.devstack.demo.narrator import Narrator, Stopwatch, human
from flame_node_agent.devstack.demo.samples import Sample
from flame_node_agent.devstack.stack import Stack


@dataclass
class Stage:
    """The running stack, who tells about it, the analysis that sends, and what will be compared in the end."""

    stack: Stack
    narrator: Narrator
    analysis: Analysis
    rows: list[Row] = field(default_factory=list)
    cohorts: list[CohortRow] = field(default_factory=list)

    @property
    def hub(self) -> HubHoldings:
        return HubHoldings(self.stack.hub.urls, self.stack.seed)

    def put(self, path: str, sample: Sample, *, expect: int, **fields: str) -> Sent:
        """Send a file under a progress bar, and tell how long it took."""
        watch = Stopwatch()
        with self.narrator.transfer(f"PUT {path}  {sample.name}", sample.size) as advance:
            sent = self.analysis.put(path, sample, expect=expect, advance=advance, **fields)
        self.narrator.did(
            f"PUT {path}  {sample.name} ({sample.what}, {human(sample.size)}): {expect} after "
            f"{watch.speed(sample.size)}"
        )
        return sent
