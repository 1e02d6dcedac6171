"""docs/reference/development-hub.md names every option, admin route, fault and profile there is."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.routing import APIRoute

from flame_node_agent.devstack.hub.__main__ import argument_parser
from flame_node_agent.devstack.hub.faults import FaultOrder
from flame_node_agent.devstack.hub.profile import PROFILES
from flame_node_agent.devstack.hub.routes_admin import AnalysisOrder, router
from flame_node_agent.devstack.hub.routes_task_admin import TaskOrder, TrustOrder, task_router, trust_router
from flame_node_agent.devstack.hub.routes_trusts import api_routers
from flame_node_agent.devstack.hub.seed import Seed, SeedAnalysis, SeedNode, SeedProject, SeedTrust

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "development-hub.md").read_text()


def test_every_admin_route_is_documented_and_no_other() -> None:
    routes = {
        f"{method} /admin{route.path}"
        for admin in (router, task_router)
        for route in admin.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert set(re.findall(r"^\| `((?:GET|POST|DELETE) /admin\S*)`", PAGE, re.MULTILINE)) == routes


def test_every_route_of_flip_is_documented_and_no_other() -> None:
    routes = {
        f"{m} {r.path.removeprefix('/').replace('trust_name', 'trust').replace('task_id', 'id')}"
        for router in (*api_routers("current"), *api_routers("named"), trust_router)
        for r in router.routes
        if isinstance(r, APIRoute)
        for m in r.methods or ()
    }
    table = PAGE.partition("## FLIP's side")[2].partition("## Admin API")[0]
    assert set(re.findall(r"^\| `((?:GET|POST) \S+)`", table, re.MULTILINE)) == routes


def test_every_fault_field_is_documented_and_no_other() -> None:
    table = PAGE.partition("A fault has these fields.")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(FaultOrder.model_fields)


def test_every_option_profile_and_seed_field_is_documented() -> None:
    for action in argument_parser()._actions:
        assert action.option_strings[-1] in PAGE or action.dest == "help"
    for name in PROFILES:
        assert name in PAGE
    for model in (Seed, SeedNode, SeedProject, SeedAnalysis, SeedTrust, AnalysisOrder, TaskOrder, TrustOrder):
        for field in model.model_fields:
            assert f"`{field}`" in PAGE, field
