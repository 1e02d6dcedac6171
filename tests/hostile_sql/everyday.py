"""The opposite: queries on OMOP as people write them, all of which must pass and keep their meaning."""

from __future__ import annotations

from pathlib import Path

EVERYDAY: list[str] = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").strip().split("\n\n")
"""The statements of everyday.sql, which blank lines separate."""
