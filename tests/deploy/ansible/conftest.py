"""The provisioned system, the tools and the stand-in for Amazon, each started once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.ansible.target import Target, bare_system
from tests.deploy.ansible.tools import Ran, Tools, make_tools, reset_amazon, running_amazon
from tests.deploy.machine import CACHE, install_what_is_missing

LEFT_OUT = {
    "test_terraform.py": "" if shutil.which("terraform") else "there is no terraform on this machine",
    "test_hub_terraform.py": ""
    if shutil.which("terraform") and os.environ.get("TF_PLUGIN_DIR")
    else "it needs terraform, and TF_PLUGIN_DIR with Amazon's provider",
}
"""Neither Terraform nor its provider of Amazon can be had with apt."""
collect_ignore = [name for name, reason in LEFT_OUT.items() if reason]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, and why."""
    for name, reason in LEFT_OUT.items():
        if reason:
            terminalreporter.write_line(f"left out: tests/deploy/ansible/{name}: {reason}")


@pytest.fixture(scope="session")
def tools() -> Tools:
    """Ansible and its like; PROVISION_TEST_VENV may name a folder that has them."""
    return make_tools(Path(os.environ.get("PROVISION_TEST_VENV", CACHE / "venv")))


@pytest.fixture(scope="session")
def amazon_server(tools: Tools) -> Iterator[dict[str, str]]:
    """The stand-in, shared by all tests."""
    with running_amazon(tools) as environ:
        yield environ


@pytest.fixture
def amazon(amazon_server: dict[str, str]) -> dict[str, str]:
    """The environment that leads to an empty stand-in."""
    reset_amazon(amazon_server)
    return amazon_server


@dataclass(frozen=True)
class Provisioned:
    """A provisioned system, and how it came to be."""

    target: Target
    checked: Ran
    """The run with ``--check``, before anything was done."""
    first: Ran
    second: Ran


@pytest.fixture(scope="session")
def provisioned(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provisioned]:
    """A bare system, provisioned twice with a kit and with the firewall."""
    install_what_is_missing()
    folder = tmp_path_factory.mktemp("target")
    kit = folder / "kit"
    kit.write_text("TRUST_NAME=Trust_2\nTRUST_API_KEY=sentinel-of-the-api-key\n")
    kit.chmod(0o600)
    told = (f"--extra-vars=flip_trust_stack_kit_file={kit}", "--extra-vars=flip_firewall_enabled=true")
    with bare_system(folder) as target:
        runs = [target.play(tools, "--diff", *more, *told) for more in (("--check",), (), ())]
        yield Provisioned(target, *runs)
