"""Hosts that reach packages through a proxy only: every role that fetches some is told of it, and no other is."""

from __future__ import annotations

import re

import yaml

from tests.unit.reference_pages import ROOT

ANSIBLE = ROOT / "ansible"
FETCHES = re.compile(r"ansible\.builtin\.(apt|get_url|uri):")


def test_whatever_fetches_packages_is_told_of_the_proxy() -> None:
    (play,) = yaml.safe_load((ANSIBLE / "site_local_trust.yml").read_text("utf-8"))
    fetching = {
        path.parts[-3]
        for path in (ANSIBLE / "roles").glob("*/tasks/*.yml")
        if FETCHES.search(path.read_text("utf-8"))
    }
    # The FL kit is fetched on the machine that runs the playbook, which has its own way out.
    told = {role["role"] for role in play["roles"] if role.get("environment") == "{{ flip_environment }}"}
    assert told == fetching
    assert "flip_fl_kit" not in told


def test_without_a_proxy_nothing_is_told() -> None:
    assert yaml.safe_load((ANSIBLE / "group_vars/all.yml").read_text("utf-8"))["flip_environment"] == {}
