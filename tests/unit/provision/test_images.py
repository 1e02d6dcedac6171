"""Archives of images are looked into before anything is copied to a host."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest
from provision.image_archive import Image, images_of
from provision.images import images
from provision.said import Stop
from provision.surroundings import Surroundings

CONFIG, MANIFEST = "a" * 64, "b" * 64


def write(path: Path, files: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, value in files.items():
            data = json.dumps(value).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def saved(path: Path, *names: str, config: str = f"blobs/sha256/{CONFIG}") -> Path:
    return write(path, {"manifest.json": [{"Config": config, "RepoTags": list(names) or None, "Layers": []}]})


def here(**environ: str) -> Surroundings:
    return Surroundings(environ, {}, Path("kit"), "stag", "Trust_2")


@pytest.mark.parametrize("config", [f"blobs/sha256/{CONFIG}", f"{CONFIG}.json"], ids=["docker 25", "earlier"])
def test_names_and_ids_are_read(tmp_path: Path, config: str) -> None:
    archive = saved(tmp_path / "a.tar", "node:1", "node:latest", config=config)
    assert images_of(archive) == (Image(("node:1", "node:latest"), (f"sha256:{CONFIG}",)),)


def test_the_id_of_containerds_store_counts_as_well_but_not_that_of_another_image(tmp_path: Path) -> None:
    entries = [
        {"digest": f"sha256:{MANIFEST}", "annotations": {"io.containerd.image.name": "docker.io/library/node:1"}},
        {"digest": f"sha256:{'c' * 64}", "annotations": {"io.containerd.image.name": "docker.io/library/other:1"}},
    ]  # fmt: skip
    files = {
        "manifest.json": [{"Config": f"blobs/sha256/{CONFIG}", "RepoTags": ["node:1"], "Layers": []}],
        "index.json": {"manifests": entries},
    }
    (image,) = images_of(write(tmp_path / "a.tar", files))
    assert image.ids == (f"sha256:{CONFIG}", f"sha256:{MANIFEST}")


def test_a_compressed_archive_will_do(tmp_path: Path) -> None:
    plain = saved(tmp_path / "a.tar", "node:1")
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert images_of(tmp_path / "a.tar.gz") == images_of(plain)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"version": "1.0"}, "has no manifest.json"),
        ({"manifest.json": []}, "has no manifest.json"),
        ({"manifest.json": [{"Layers": []}]}, "not docker save's"),
        ({"manifest.json": [{"Config": CONFIG, "RepoTags": None}]}, "an image without a name"),
    ],
)
def test_what_docker_save_has_not_written_is_refused(
    tmp_path: Path, files: dict[str, object], said: str
) -> None:
    with pytest.raises(Stop, match=said):
        images_of(write(tmp_path / "a.tar", files))


def test_an_archive_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    archive = saved(tmp_path / "a.tar", "node:1")
    archive.write_bytes(archive.read_bytes()[:600])
    with pytest.raises(Stop, match="no whole archive"):
        images_of(archive)


def test_the_nodes_image_is_named_as_in_its_archive(tmp_path: Path) -> None:
    archive = saved(tmp_path / "a.tar", "node:1", "node:latest")
    assert images(here(NODE_IMAGE_ARCHIVE=str(archive))).node == "node:1"
    assert images(here(NODE_IMAGE_ARCHIVE=str(archive), NODE_IMAGE="node:latest")).node == "node:latest"
    with pytest.raises(Stop, match="holds node:1, node:latest"):
        images(here(NODE_IMAGE_ARCHIVE=str(archive), NODE_IMAGE="node:2"))


def test_an_image_of_a_registry_needs_no_archive() -> None:
    assert images(here(NODE_IMAGE="registry.example:5000/node@sha256:1")).variables == {
        "flip_trust_stack_node_image": "registry.example:5000/node@sha256:1",
        "flip_trust_stack_node_image_archive": "",
        "flip_trust_stack_image_archives": [],
    }
    with pytest.raises(Stop, match="NODE_IMAGE is 'a b'"):
        images(here(NODE_IMAGE="a b"))


def test_other_images_come_as_a_list_of_archives(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "1.tar", "postgres:17"), saved(tmp_path / "2.tar", "minio:1")
    assert images(here(IMAGE_ARCHIVES=f"{first}  {second}")).archives == (first, second)
    assert not images(here(IMAGE_ARCHIVES=str(first))).has_node
    node = saved(tmp_path / "3.tar", "flame-node-agent:latest")
    assert images(here(IMAGE_ARCHIVES=f"{first} {node}")).has_node
    with pytest.raises(Stop, match="IMAGE_ARCHIVES has nowhere, and there is no such file"):
        images(here(IMAGE_ARCHIVES="nowhere"))
