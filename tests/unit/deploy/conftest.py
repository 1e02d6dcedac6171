"""What several tests of the deployment stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.deploy.operator import Operator


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)
