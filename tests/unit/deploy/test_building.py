"""An image that is missing is built only from the checkout that the trust's folder is part of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.deploy.operator import DOCKER, Operator


@pytest.fixture
def above(operator: Operator) -> Path:
    """A folder above the trust's with all that a build needs; Docker has no image yet."""
    operator.program("docker", DOCKER.replace('"image inspect"*) ;;', '"image inspect"*) exit 1 ;;'))
    folder = operator.folder.parent
    (folder / "Dockerfile").touch()
    (folder / "Makefile").write_text("image:\n\t@echo built by the folder above\n")
    return folder


def test_in_a_checkout_the_image_is_built(operator: Operator, above: Path) -> None:
    (above / ".git").mkdir()
    assert "built by the folder above" in operator.make()[1]


def test_elsewhere_nothing_of_the_folder_above_is_run(operator: Operator, above: Path) -> None:
    said = operator.refused()
    assert "built by" not in said
    assert "The image flame-node-agent:latest is not on this machine." in said


def test_a_checkout_that_is_somebody_elses_is_not_run_either(operator: Operator, above: Path) -> None:
    (above / ".git").mkdir()
    stat = '#!/bin/sh\ncase "$*" in *../.git) echo 12345 ;; *) exec /usr/bin/stat "$@" ;; esac\n'
    operator.program("stat", stat)
    assert "built by" not in operator.refused()
