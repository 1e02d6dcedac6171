"""A Flower kit's way from the hub's bucket to the host: the trust's own part of it, and nothing of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.test_fl_kit import UPLOAD
from tests.deploy.ansible.tools import Ran, Tools, reset_amazon
from tests.flower_kit import SERVER_KEY, write_flower_kit

SLOT = "Trust_F"
KIT = f"/opt/flip/services/{SLOT}"
PREFIX = "fl-flower-participant-kits/20261102/net-1"
TOLD = {
    "flip_fl_backend": "flower",
    "flip_fl_slot": SLOT,
    "flip_fl_kit_mode": "s3",
    "flip_fl_kit_bucket": "kits",
    "flip_fl_kit_date": "20261102",
    "flip_fl_kit_slot_number": "1",
}


@pytest.fixture
def deploy(
    provisioned: Provisioned, tools: Tools, amazon: dict[str, str], tmp_path: Path
) -> Callable[..., Ran]:
    """Put kits of several trusts into the bucket, after ``change`` was done to them, and run the role."""

    def deploy(change: Callable[[Path], object] = lambda _: None, *more: str, release: str = "1") -> Ran:
        kit = tmp_path / f"kit-{release}"
        if not kit.exists():
            # The number 1 is the beginning of 10 as well.
            write_flower_kit(kit, 1, 2, 10, release=release)
        change(kit)
        reset_amazon(amazon)
        tools.python(UPLOAD, {**amazon, "KIT": str(kit), "PREFIX": PREFIX})
        told = f"--extra-vars={json.dumps(TOLD)}"
        return provisioned.target.play(tools, "--tags=fl-kit", told, *more, environ=amazon)

    return deploy


def test_the_trusts_own_part_is_put_in_place_and_a_second_run_changes_nothing(
    deploy: Callable[..., Ran], provisioned: Provisioned
) -> None:
    target = provisioned.target
    first = deploy()
    assert first.code == 0, first.output
    place = target.path(KIT)
    found = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    assert found == ["certificates/ca.crt", "keys/supernode_credentials_1"]
    assert target.ownership(f"{KIT}/certificates/ca.crt") == ("ubuntu:ubuntu", "0644")
    assert target.ownership(f"{KIT}/keys/supernode_credentials_1") == ("ubuntu:ubuntu", "0600")
    assert SERVER_KEY not in first.output
    assert "PRIVATE KEY" not in first.output
    second = deploy()
    assert second.code == 0
    assert "changed=0 " in second.output, second.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda kit: (kit / "certificates/ca.crt").unlink(), "certificates/ca.crt is missing"),
        (lambda kit: (kit / "keys/supernode_credentials_1").unlink(), "supernode_credentials_1 is missing"),
        (
            lambda kit: (kit / "keys/supernode_credentials_1").write_text("-----BEGIN OPENSSH"),
            "supernode_credentials_1 is not a private key",
        ),
    ],
    ids=["no authority", "no credentials", "truncated credentials"],
)
def test_a_broken_kit_is_refused_and_the_old_one_kept(
    deploy: Callable[..., Ran], provisioned: Provisioned, change: Callable[[Path], object], said: str
) -> None:
    own = provisioned.target.path(f"{KIT}/keys/supernode_credentials_1")
    if not own.exists():
        assert deploy().code == 0
    before = own.read_bytes()
    ran = deploy(change, release="2")
    assert ran.code != 0
    assert said in ran.output, ran.output
    assert "the one in place is kept" in ran.output
    assert own.read_bytes() == before


def test_directories_that_flowers_containers_write_into_are_their_groups(
    provisioned: Provisioned, tools: Tools
) -> None:
    target = provisioned.target
    try:
        ran = target.play(tools, "--tags=dirs", f"--extra-vars={json.dumps(TOLD)}")
        assert ran.code == 0, ran.output
        for path in ("/opt/flip/data/images/net-1", "/opt/flip/data/images/net-2"):
            assert target.ownership(path) == ("ubuntu:49999", "0775")
    finally:
        target.play(tools, "--tags=dirs")
