"""The provisioning scripts are no part of the package: they stand in ``scripts/``."""

from __future__ import annotations

import sys

from tests.unit.reference_pages import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
