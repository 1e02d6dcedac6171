"""What the tests of the doctor stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from flame_node_agent.kit.kit_file import write_kit
from tests.unit.doctor.looking import kit_text


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    path = tmp_path / "kit"
    write_kit(path, kit_text())
    return path
