"""The hub's repository, as far as a trust's deployment needs it: its Makefile, and its environment file."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from provision.said import Stop, done
from provision.surroundings import ROOT, Surroundings
from provision.trust_kit import parse_kit, suffix

USAGE = (
    "make full-deploy-hybrid PROD=<stag|true> HUB_DIR=<checkout of the hub> [LOCAL_TRUST_IP=<ip>] "
    "[LOCAL_TRUST_SSH_KEY=<key>]"
)
HUB_MAKEFILE = "deploy/providers/AWS"
NOT_THE_HUBS = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "ANSIBLE_BECOME_PASS"}
OURS = (ROOT, ROOT / HUB_MAKEFILE)


def hub_folder(here: Surroundings) -> Path:
    """Where the hub's Makefile is.

    Raises:
        Stop: PROD or HUB_DIR is missing or wrong.
    """
    if not here.prod:
        raise Stop(f"PROD is missing: {USAGE}")
    given = here.path("HUB_DIR")
    if given is None:
        raise Stop(f"HUB_DIR is missing: {USAGE}")
    for folder in (given / HUB_MAKEFILE, given):
        if (folder / "Makefile").is_file() and folder.resolve() not in OURS:
            return folder.resolve()
    raise Stop(f"HUB_DIR is {given}, and the hub's Makefile is neither in it nor in its {HUB_MAKEFILE}")


def make_hub(folder: Path, target: str, prod: str) -> None:
    """Run a target of the hub's own Makefile.

    Raises:
        Stop: it failed.
    """
    command = ["make", "-C", str(folder), target, f"PROD={prod}"]
    if subprocess.run(command, env=hub_environment(os.environ), check=False).returncode != 0:
        raise Stop(
            f"make {target} failed in {folder}; what it said is above. The next run starts with this step again"
        )
    done(f"make {target} in {folder} succeeded.")


def hub_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the hub's make is given of this one's environment.

    Not make's own variables; not those that this make exports empty, as they would beat the hub's defaults; and not the
    password of this trust's sudo.
    """
    return {name: value for name, value in environ.items() if value and name not in NOT_THE_HUBS}


def hub_value(here: Surroundings, name: str) -> str:
    """A variable of the hub's own environment file, which FLIP chooses by PROD; empty where there is none."""
    folder = hub_folder(here)
    for root in (folder, *folder.parents[:3]):
        path = root / f".env.{suffix(here.prod)}"
        if path.is_file():
            return parse_kit(path.read_text(encoding="utf-8")).get(name, "")
    return ""
