"""Images are carried to the host once, and the stack then starts with the node's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.ansible.conftest import Provisioned
from tests.deploy.ansible.saved_images import loads, put_engine, remove_engine, write_archive
from tests.deploy.ansible.target import Target
from tests.deploy.ansible.tools import Ran, Tools

CHOSEN = "/opt/flip-trust/.node-image.trust-local"


@pytest.fixture
def host(provisioned: Provisioned) -> Iterator[Target]:
    """A provisioned host whose engine is empty."""
    put_engine(provisioned.target)
    yield provisioned.target
    remove_engine(provisioned.target)
    provisioned.target.path(CHOSEN).unlink(missing_ok=True)


def carry(host: Target, tools: Tools, *more: str, node: Path | None, others: tuple[Path, ...] = ()) -> Ran:
    """Run the role with these archives, as `make add-local-trust` tells it of them."""
    told = {
        "flip_trust_stack_node_image_archive": str(node or ""),
        "flip_trust_stack_image_archives": [str(path) for path in others],
    }
    return host.play(tools, "--tags=images", f"--extra-vars={json.dumps(told)}", *more)


def test_a_trial_says_that_images_would_come_and_a_second_run_carries_none(
    host: Target, tools: Tools, tmp_path: Path
) -> None:
    node = write_archive(tmp_path / "node.tar", "flame-node-agent:0.2.0")
    others = write_archive(tmp_path / "others.tar", "postgres:17.6", "minio:pinned")
    tried = carry(host, tools, "--check", node=node, others=(others,))
    assert tried.code == 0, tried.output
    # Two archives, and the name of the image that the stack starts with.
    assert "changed=3 " in tried.output, tried.output
    assert loads(host) == 0
    first = carry(host, tools, node=node, others=(others,))
    assert first.code == 0, first.output
    assert loads(host) == 2
    assert host.path(CHOSEN).read_text() == "flame-node-agent:0.2.0\n"
    assert not host.path("/opt/flip-trust/.images.tar").exists()
    second = carry(host, tools, node=node, others=(others,))
    assert "changed=0 " in second.output, second.output
    assert loads(host) == 2


def test_another_image_is_loaded_but_the_stack_stays_with_its_own_until_it_is_upgraded(
    host: Target, tools: Tools, tmp_path: Path
) -> None:
    assert (
        carry(host, tools, node=write_archive(tmp_path / "1.tar", "flame-node-agent:0.1.0", content="1")).code
        == 0
    )
    ran = carry(host, tools, node=write_archive(tmp_path / "2.tar", "flame-node-agent:0.2.0", content="2"))
    assert ran.code == 0, ran.output
    assert loads(host) == 2
    assert host.path(CHOSEN).read_text() == "flame-node-agent:0.1.0\n"
    told = "sudo env PROD=stag KIT=Trust_2 NODE_IMAGE=flame-node-agent:0.2.0 make upgrade-local-trust"
    assert told in ran.output


def test_the_same_name_with_other_content_is_loaded_again(host: Target, tools: Tools, tmp_path: Path) -> None:
    for count, content in enumerate("ab", start=1):
        node = write_archive(tmp_path / f"{content}.tar", "flame-node-agent:latest", content=content)
        assert carry(host, tools, node=node).code == 0
        assert loads(host) == count
    assert not host.path(CHOSEN).exists(), "the stack takes this name by itself"


def test_an_image_of_a_registry_is_named_and_left_to_be_pulled(host: Target, tools: Tools) -> None:
    ran = host.play(
        tools, "--tags=images", "--extra-vars=flip_trust_stack_node_image=registry.example/flame-node:0.2"
    )
    assert ran.code == 0, ran.output
    assert host.path(CHOSEN).read_text() == "registry.example/flame-node:0.2\n"
    assert loads(host) == 0


def test_an_archive_that_was_cut_off_changes_nothing(host: Target, tools: Tools, tmp_path: Path) -> None:
    node = write_archive(tmp_path / "node.tar", "flame-node-agent:0.2.0")
    node.write_bytes(node.read_bytes()[:700])
    ran = carry(host, tools, node=node)
    assert ran.code != 0
    assert "is no whole archive of docker save" in ran.output
    assert loads(host) == 0
