"""A participant kit that is not whole, or another's, is told apart before it reaches a host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from provision.kit_checks import problems_of

from tests.flare_kit import write_kit
from tests.flower_kit import write_flower_kit


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kit = tmp_path_factory.mktemp("kit") / "whole"
    write_kit(kit, "Trust_2")
    return kit


@pytest.fixture
def kit(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "kit"))


def test_a_whole_kit_has_no_problems(kit: Path) -> None:
    assert problems_of(kit, "nvflare", "Trust_2") == []


def test_a_kit_without_signatures_is_fine_as_the_hub_does_not_always_make_them(kit: Path) -> None:
    (kit / "startup/signature.json").unlink()
    assert problems_of(kit, "nvflare", "Trust_2") == []


def test_an_outdated_kit_is_refused(tmp_path: Path) -> None:
    write_kit(tmp_path / "kit", "Trust_2", days=-1)
    (problem,) = problems_of(tmp_path / "kit", "nvflare", "Trust_2")
    assert problem.startswith("startup/client.crt is valid until ")


def test_another_participants_kit_is_refused(kit: Path) -> None:
    assert problems_of(kit, "nvflare", "Trust_3") == [
        "fqsn in startup/fed_client.json is 'Trust_2', not 'Trust_3': this is another participant's kit",
        "startup/client.crt is for Trust_2, not Trust_3",
    ]


def test_a_key_of_another_certificate_is_refused(kit: Path, tmp_path: Path) -> None:
    write_kit(tmp_path / "other", "Trust_2", signed=False)
    (kit / "startup/client.key").write_bytes((tmp_path / "other/startup/client.key").read_bytes())
    assert problems_of(kit, "nvflare", "Trust_2") == [
        "startup/client.key does not belong to startup/client.crt",
        "startup/client.key is not what the hub has signed",
    ]


def test_a_certificate_of_another_authority_is_refused(kit: Path, tmp_path: Path) -> None:
    write_kit(tmp_path / "other", "Trust_2", signed=False)
    (kit / "startup/rootCA.pem").write_bytes((tmp_path / "other/startup/rootCA.pem").read_bytes())
    assert "startup/client.crt was not issued by startup/rootCA.pem" in problems_of(kit, "nvflare", "Trust_2")


def no_local(kit: Path) -> None:
    for path in (kit / "local").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda kit: (kit / "startup/start.sh").unlink(), "startup/start.sh is missing"),
        (lambda kit: (kit / "startup/rootCA.pem").write_bytes(b""), "startup/rootCA.pem is empty"),
        (
            lambda kit: (kit / "local/resources.json.default").write_text("{"),
            "local/resources.json.default is not valid JSON",
        ),
        (no_local, "local/ is empty"),
        (lambda kit: (kit / "startup/client.crt").write_text("x"), "a certificate cannot be read"),
    ],
)
def test_a_kit_that_is_not_whole_is_refused(
    kit: Path, change: Callable[[Path], object], problem: str
) -> None:
    change(kit)
    assert problem in problems_of(kit, "nvflare", "Trust_2")[0]


def test_a_configuration_without_a_name_is_refused(kit: Path) -> None:
    (kit / "startup/fed_client.json").write_text(json.dumps({"client": {}}))
    assert "fqsn in startup/fed_client.json is None" in problems_of(kit, "nvflare", "Trust_2")[0]


def test_a_flower_kit_needs_the_number_of_the_trusts_credentials(tmp_path: Path) -> None:
    write_flower_kit(tmp_path, 2)
    assert problems_of(tmp_path, "flower", "Trust_2", "2") == []
    assert problems_of(tmp_path, "flower", "Trust_2", "3") == ["keys/supernode_credentials_3 is missing"]
    assert "FL_KIT_SLOT_NUMBER" in problems_of(tmp_path, "flower", "Trust_2")[0]


@pytest.mark.parametrize("encoding", ["openssh", "pem"])
def test_a_flower_kits_credentials_must_be_a_whole_private_key(tmp_path: Path, encoding: str) -> None:
    write_flower_kit(tmp_path, 2, pem=encoding == "pem")
    assert problems_of(tmp_path, "flower", "Trust_2", "2") == []
    own = tmp_path / "keys/supernode_credentials_2"
    own.write_bytes(own.read_bytes()[:-60])
    assert problems_of(tmp_path, "flower", "Trust_2", "2") == [
        "keys/supernode_credentials_2 is not a private key"
    ]
