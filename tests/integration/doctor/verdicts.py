"""What tests expect of a check."""

from __future__ import annotations

from flame_node_agent.doctor.findings import Finding, State


def assert_well(finding: Finding, said: str = "") -> None:
    assert finding.state is State.OK, finding
    assert said in finding.seen
    assert finding.do == ""


def assert_wrong(finding: Finding, said: str, do: str) -> None:
    assert finding.state is State.FAILED, finding
    assert said in finding.seen, finding
    assert do in finding.do, finding
    assert "\n" not in finding.seen + finding.do


def assert_unseen(finding: Finding, why: str) -> None:
    assert finding.state is State.SKIPPED, finding
    assert why in finding.seen, finding
