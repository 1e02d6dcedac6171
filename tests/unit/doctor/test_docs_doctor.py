"""``docs/reference/doctor.md`` tells every check, and none that is gone."""

from __future__ import annotations

import pytest

from flame_node_agent.doctor.checks import CHECKS
from tests.unit.reference_pages import assert_prose, assert_same, page, rows, sections


def test_every_check_is_documented_in_the_order_of_the_report() -> None:
    told = rows(sections(page("doctor.md"))["Checks"])
    assert_same(set(told), {check.name for check in CHECKS}, "doctor.md")
    assert list(told) == [check.name for check in CHECKS]


@pytest.mark.parametrize("name", [check.name for check in CHECKS])
def test_check_is_documented_with_its_services_and_meaning(name: str) -> None:
    (check,) = [each for each in CHECKS if each.name == name]
    services, well, unseen = rows(sections(page("doctor.md"))["Checks"])[name]
    assert services == ", ".join(sorted(check.services))
    assert_prose(well)
    assert unseen.endswith(".")


def test_every_field_of_the_json_report_is_documented() -> None:
    assert_same(
        set(rows(sections(page("doctor.md"))["As JSON"])), {"of", "check", "state", "seen", "do"}, "doctor.md"
    )
