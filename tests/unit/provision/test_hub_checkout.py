"""What a hybrid deployment takes from the hub's checkout, and which kind of kit it makes."""

from __future__ import annotations

from pathlib import Path

import pytest
from provision.hub_checkout import hub_environment, hub_folder, hub_value
from provision.said import Stop
from provision.surroundings import ROOT, Surroundings
from provision.trust_kit import takes_results


def here(hub: Path, prod: str = "stag") -> Surroundings:
    return Surroundings({"HUB_DIR": str(hub)}, {}, Path("kit"), prod, "Trust_2")


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    (tmp_path / "deploy/providers/AWS").mkdir(parents=True)
    (tmp_path / "deploy/providers/AWS/Makefile").touch()
    return tmp_path


def test_the_hubs_makefile_is_found_from_its_checkout_or_its_folder(hub: Path) -> None:
    folder = hub / "deploy/providers/AWS"
    assert hub_folder(here(hub)) == hub_folder(here(folder)) == folder


def test_this_repositorys_own_makefiles_are_not_the_hubs() -> None:
    with pytest.raises(Stop, match="the hub's Makefile is neither in it"):
        hub_folder(here(ROOT))


def test_the_hubs_environment_file_is_chosen_by_prod(hub: Path) -> None:
    (hub / ".env.stag").write_text("CENTRAL_HUB_API_URL=https://stag.example/api\n")
    (hub / ".env.production").write_text("CENTRAL_HUB_API_URL='https://flip.example/api'\n")
    assert hub_value(here(hub), "CENTRAL_HUB_API_URL") == "https://stag.example/api"
    assert hub_value(here(hub, "true"), "CENTRAL_HUB_API_URL") == "https://flip.example/api"
    assert hub_value(here(hub), "NOT_THERE") == ""


def test_a_hub_without_such_a_file_gives_nothing(hub: Path) -> None:
    assert hub_value(here(hub), "CENTRAL_HUB_API_URL") == ""


def test_the_hubs_make_gets_neither_empty_variables_nor_the_password_of_sudo() -> None:
    environ = {
        "PATH": "/bin",
        "KIT": "",
        "LOCAL_TRUST_IP": "203.0.113.7",
        "MAKEFLAGS": "k",
        "ANSIBLE_BECOME_PASS": "p",
    }
    assert hub_environment(environ) == {"PATH": "/bin", "LOCAL_TRUST_IP": "203.0.113.7"}


def test_a_new_kit_takes_no_results_and_one_that_does_stays_so(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    assert not takes_results(kit)
    kit.write_text("TRUST_NAME=Trust_2\n# HUB__AUTH__ID=\n")
    assert not takes_results(kit)
    kit.write_text("HUB__AUTH__ID=<fill-in>\n")
    assert takes_results(kit)
