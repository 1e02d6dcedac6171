"""``upgrade-`` and ``rollback-local-trust``: another image takes over, and the earlier one can have its place back."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.deploy.images import NODE
from tests.deploy.outside import Outside
from tests.deploy.trust_host import TrustHost, until

NEXT = "flame-node-agent:next"
BROKEN = "flame-node-agent:broken"
_NO_AGENT = """\
import sys
from pathlib import Path
command = Path("/opt/flame-node/bin/flame-node")
first, rest = command.read_text().split(chr(10), 1)
refusal = "import sys; sys.argv[1:] == ['agent'] and sys.exit('error: this release cannot start')"
command.write_text(chr(10).join([first, refusal, rest]))
"""


def _head(trust: TrustHost) -> str:
    """Of the egress ledger."""
    return trust.inside("trust-api", "flame-node", "ledger", "verify").split()[-1]


def _image(trust: TrustHost) -> str:
    return str(trust.containers()["trust-api"]["Config"]["Image"])


@pytest.fixture
def broken(trust: TrustHost) -> str:
    """An image whose agent ends at once; all else in it works."""
    recipe = f"FROM {NODE}\nUSER 0\nRUN python3 -c 'exec(bytes.fromhex(\"{_NO_AGENT.encode().hex()}\"))'\nUSER 10001\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", BROKEN, "-"],
        input=recipe.encode(),
        env=trust.engine.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return BROKEN


def test_an_upgrade_keeps_all_data_and_can_be_taken_back(trust: TrustHost, outside: Outside) -> None:
    before = _head(trust)
    trust.engine.docker("tag", NODE, NEXT)
    said = trust.make("upgrade-local-trust", f"NODE_IMAGE={NEXT}")
    assert "Backed up to" in said
    assert f"The trust has been upgraded from {NODE} to {NEXT}." in said
    assert _image(trust) == NEXT
    assert _head(trust) == before
    task = trust.ask_cohort(outside)
    until(lambda: trust.task_status(outside, task) == "COMPLETED", "the new image answers tasks")
    # A plain start, as the machine itself does it, stays with it.
    trust.make("up-local-trust", own_image=False)
    assert _image(trust) == NEXT
    until(lambda: trust.put_result(outside, "after-the-upgrade.txt", "x") == "204", "accepted")
    until(lambda: trust.arrived(outside, "after-the-upgrade.txt"), "at the hub")

    said = trust.make("rollback-local-trust", own_image=False)
    assert f"Going back from {NEXT} to {NODE}" in said
    assert "before-rollback" in said
    assert _image(trust) == NODE
    assert _head(trust) == before


def test_an_upgrade_that_fails_says_why_and_how_to_go_back(
    trust: TrustHost, outside: Outside, broken: str
) -> None:
    before = _head(trust)
    said = trust.make("upgrade-local-trust", f"NODE_IMAGE={broken}", "WAIT_SECONDS=240", check=False)
    assert "The trust does not become healthy." in said
    assert "✘ trust-api" in said
    assert "It logs: error: this release cannot start" in said
    assert f"The upgrade to {broken} has failed." in said
    assert f"Go back to {NODE} and the data of the backup: make rollback-local-trust" in said

    trust.make("rollback-local-trust", own_image=False)
    assert _image(trust) == NODE
    assert _head(trust) == before
    until(lambda: trust.put_result(outside, "after-going-back.txt", "x") == "204", "it takes results again")
    until(lambda: trust.arrived(outside, "after-going-back.txt"), "and delivers them")


def test_a_name_that_means_another_image_by_now_is_no_obstacle(
    trust: TrustHost, outside: Outside, broken: str
) -> None:
    moving = "flame-node-agent:moving"
    trust.engine.docker("tag", NODE, moving)
    trust.make("up-local-trust", f"NODE_IMAGE={moving}")
    ran = trust.containers()["trust-api"]["Image"]
    trust.engine.docker("tag", broken, moving)
    said = trust.make("upgrade-local-trust", f"NODE_IMAGE={moving}", "WAIT_SECONDS=240", check=False)
    assert "has failed" in said
    trust.make("rollback-local-trust", own_image=False)
    assert trust.containers()["trust-api"]["Image"] == ran
    trust.make("up-local-trust")


def test_a_start_backs_up_before_another_image_runs_under_the_name_of_the_last(trust: TrustHost) -> None:
    loaded = "flame-node-agent:loaded"
    trust.engine.docker("tag", NODE, loaded)
    trust.make("up-local-trust", f"NODE_IMAGE={loaded}")
    ran = trust.containers()["trust-api"]["Image"]
    head = _head(trust)
    trust.make("down-local-trust")
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", loaded, "-"],
        input=f"FROM {NODE}\nLABEL org.opencontainers.image.revision=newer\n".encode(),
        env=trust.engine.environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    said = trust.make("up-local-trust", own_image=False)
    assert f"{loaded} is another image than the one that this trust ran last ({ran})." in said
    assert trust.containers()["trust-api"]["Image"] != ran
    (folder,) = re.findall(r"Backed up to (\S+)\. ", said)
    backup = trust.folder / "trust" / folder
    assert {path.name for path in backup.iterdir()} == {"database.dump", "bucket.tar", "image", "SHA256SUMS"}
    # A second start has nothing to say: the image is the one that ran last by now.
    assert "another image" not in trust.make("up-local-trust", own_image=False)

    trust.make("rollback-local-trust", own_image=False)
    assert trust.containers()["trust-api"]["Image"] == ran
    assert _head(trust) == head
    assert "another image" not in trust.make("up-local-trust")
