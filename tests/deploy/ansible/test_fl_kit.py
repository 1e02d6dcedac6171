"""The FL kit's way from the hub's bucket to the host: whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.target import Target
from tests.deploy.ansible.tools import Ran, Tools, reset_amazon
from tests.flare_kit import write_kit

SLOT = "Trust_2"
KIT = f"/opt/flip/services/{SLOT}"
PREFIX = f"fl-flare-participant-kits/20261101/net-1/services/{SLOT}"
UPLOAD = """
import boto3, json, os, pathlib, sys
s3 = boto3.client("s3")
s3.create_bucket(Bucket="kits", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
root = pathlib.Path(os.environ["KIT"])
files = [path for path in root.rglob("*") if path.is_file()]
for path in files:
    s3.upload_file(str(path), "kits", os.environ["PREFIX"] + "/" + path.relative_to(root).as_posix())
print(json.dumps(len(files)))
"""


@pytest.fixture
def deploy(
    provisioned: Provisioned, tools: Tools, amazon: dict[str, str], tmp_path: Path
) -> Callable[..., Ran]:
    """Put a kit into the bucket, after ``change`` was done to it, and run the role."""
    count = 0

    def deploy(change: Callable[[Path], object] = lambda _: None, *, release: str, slot: str = SLOT) -> Ran:
        nonlocal count
        count += 1
        kit = tmp_path / f"kit-{count}"
        write_kit(kit, slot, release=release)
        change(kit)
        reset_amazon(amazon)
        tools.python(UPLOAD, {**amazon, "KIT": str(kit), "PREFIX": PREFIX})
        return run_role(provisioned.target, tools, amazon)

    return deploy


def run_role(target: Target, tools: Tools, amazon: dict[str, str], *more: str) -> Ran:
    """The role with its mode s3, and nothing else of the playbook."""
    told = {"flip_fl_kit_mode": "s3", "flip_fl_kit_bucket": "kits", "flip_fl_kit_date": "20261101"}
    return target.play(tools, "--tags=fl-kit", f"--extra-vars={json.dumps(told)}", *more, environ=amazon)


def release_in_place(target: Target) -> str:
    """Which release of the kit the host has."""
    return str(json.loads(target.path(f"{KIT}/startup/fed_client.json").read_text())["release"])


def test_a_kit_is_put_in_place_with_private_keys_their_owners_alone(
    deploy: Callable[..., Ran], provisioned: Provisioned
) -> None:
    ran = deploy(release="1")
    assert ran.code == 0, ran.output
    assert release_in_place(provisioned.target) == "1"
    assert provisioned.target.ownership(f"{KIT}/startup/client.key") == ("ubuntu:ubuntu", "0600")
    assert provisioned.target.ownership(f"{KIT}/startup/client.crt") == ("ubuntu:ubuntu", "0644")
    assert provisioned.target.ownership(f"{KIT}/startup/start.sh") == ("ubuntu:ubuntu", "0755")
    assert provisioned.target.ownership(f"{KIT}/transfer") == ("ubuntu:ubuntu", "0755")
    assert not list(provisioned.target.path("/opt/flip/services").glob("*.tar"))


def test_the_same_kit_again_changes_nothing(
    deploy: Callable[..., Ran], provisioned: Provisioned, tools: Tools, amazon: dict[str, str]
) -> None:
    assert deploy(release="1").code == 0
    again = run_role(provisioned.target, tools, amazon)
    assert again.code == 0
    assert "changed=0 " in again.output, again.output


def test_a_trial_run_says_that_a_new_kit_would_come_and_leaves_the_old_one(
    deploy: Callable[..., Ran], provisioned: Provisioned, tools: Tools, amazon: dict[str, str], tmp_path: Path
) -> None:
    assert deploy(release="1").code == 0
    write_kit(tmp_path / "new", SLOT, release="2")
    tools.python(
        UPLOAD.replace("s3.create_bucket", "0 and s3.create_bucket"),
        {**amazon, "KIT": str(tmp_path / "new"), "PREFIX": PREFIX},
    )
    ran = run_role(provisioned.target, tools, amazon, "--check")
    assert ran.code == 0, ran.output
    assert "changed=1 " in ran.output, ran.output
    assert release_in_place(provisioned.target) == "1"


def test_a_new_kit_takes_the_olds_place_and_keeps_what_the_site_has_added(
    deploy: Callable[..., Ran], provisioned: Provisioned
) -> None:
    assert deploy(release="1").code == 0
    own = provisioned.target.path(f"{KIT}/local/privacy.json")
    own.write_text('{"scopes": []}\n')
    ran = deploy(release="2")
    assert ran.code == 0, ran.output
    assert release_in_place(provisioned.target) == "2"
    assert own.read_text() == '{"scopes": []}\n'
    before = provisioned.target.path(f"/opt/flip/services/.{SLOT}.previous/startup/fed_client.json")
    assert json.loads(before.read_text())["release"] == "1"


def test_a_kit_that_somebody_has_changed_is_put_right(
    deploy: Callable[..., Ran], provisioned: Provisioned, tools: Tools, amazon: dict[str, str]
) -> None:
    assert deploy(release="1").code == 0
    start = provisioned.target.path(f"{KIT}/startup/start.sh")
    start.write_text("#!/bin/sh\nexit 1\n")
    ran = run_role(provisioned.target, tools, amazon)
    assert ran.code == 0, ran.output
    assert "startup/start.sh was changed" in ran.output
    assert "sub_start.sh" in start.read_text()


def have_first_release(deploy: Callable[..., Ran], target: Target) -> None:
    """Have a whole kit in place; one that an earlier test has left will do."""
    known = target.path(f"{KIT}/startup/fed_client.json")
    if not known.exists() or release_in_place(target) != "1":
        assert deploy(release="1").code == 0


def truncate(name: str) -> Callable[[Path], object]:
    """Cut a file in half."""
    return lambda kit: (kit / name).write_bytes((kit / name).read_bytes()[: (kit / name).stat().st_size // 2])


BROKEN = {
    "empty": (lambda kit: [path.unlink() for path in kit.rglob("*") if path.is_file()], "is empty"),
    "no key": (lambda kit: (kit / "startup/client.key").unlink(), "startup/client.key is missing"),
    "an empty file": (
        lambda kit: (kit / "startup/client.crt").write_bytes(b""),
        "startup/client.crt is empty",
    ),
    "a truncated configuration": (
        truncate("startup/fed_client.json"),
        "startup/fed_client.json is not valid JSON",
    ),
    "a truncated key": (truncate("startup/client.key"), "startup/client.key is not a private key"),
    "a truncated script": (truncate("startup/start.sh"), "startup/start.sh is not what the hub has signed"),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_kit_is_refused_and_the_old_one_kept(
    deploy: Callable[..., Ran], provisioned: Provisioned, change: Callable[[Path], object], said: str
) -> None:
    have_first_release(deploy, provisioned.target)
    ran = deploy(change, release="2")
    assert ran.code != 0
    assert said in ran.output, ran.output
    assert "the one in place is kept" in ran.output
    assert release_in_place(provisioned.target) == "1"
    assert "PRIVATE KEY" not in ran.output


def test_another_participants_kit_is_refused(deploy: Callable[..., Ran], provisioned: Provisioned) -> None:
    have_first_release(deploy, provisioned.target)
    ran = deploy(release="2", slot="Trust_9")
    assert ran.code != 0
    assert "fqsn in startup/fed_client.json is 'Trust_9', not 'Trust_2'" in ran.output, ran.output
    assert release_in_place(provisioned.target) == "1"
