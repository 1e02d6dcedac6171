"""``scripts/sbom.py``: what it says of the packages beside the interpreter that runs it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

from tests.unit.deploy.compose_files import ROOT


def _written() -> str:
    """As `make sbom` has it run: handed to an interpreter by standard input."""
    script = (ROOT / "scripts" / "sbom.py").read_text()
    done = subprocess.run(
        [sys.executable, "-"], input=script, capture_output=True, text=True, check=True, cwd=ROOT / "docs"
    )
    return done.stdout


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    written: dict[str, Any] = json.loads(_written())
    return written


def test_every_installed_package_is_named_once(bill: dict[str, Any]) -> None:
    named = [each["name"] for each in (*bill["components"], bill["metadata"]["component"])]
    installed = {each.metadata["Name"] for each in metadata.distributions()}
    assert sorted(named) == sorted({*installed, "CPython"})


def test_it_has_what_the_format_asks_for(bill: dict[str, Any]) -> None:
    """CycloneDX 1.6: the required fields, and the forms of those that have one."""
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["specVersion"] == "1.6"
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["version"] == 1
    references = [each["bom-ref"] for each in (*bill["components"], bill["metadata"]["component"])]
    assert len(references) == len(set(references))
    for each in bill["components"]:
        assert each["type"] in {"library", "platform"}
        assert each["name"]
        assert each["version"]


def test_packages_are_named_as_the_package_index_writes_them(bill: dict[str, Any]) -> None:
    """Source: https://github.com/package-url/purl-spec, type pypi: lower case, dashes for underscores."""
    for each in bill["components"]:
        if each["type"] == "library":
            assert re.fullmatch(r"pkg:pypi/[a-z0-9.-]+@[^/?#]+", each["purl"]), each


def test_licenses_stand_in_one_of_the_forms_of_the_format(bill: dict[str, Any]) -> None:
    for each in bill["components"]:
        for license_ in each.get("licenses", []):
            assert set(license_) == {"expression"} or set(license_["license"]) == {"name"}


def test_the_same_packages_give_the_same_document() -> None:
    assert _written() == _written()
