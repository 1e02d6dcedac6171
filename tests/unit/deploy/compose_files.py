"""The compose files as Compose would merge them, without Compose: enough of its rules for these files."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
TRUST = ROOT / "trust"
RESET = object()
"""What ``!reset`` stands for: the value is gone."""


class _Loader(yaml.SafeLoader):
    """YAML with Compose's own tag."""


_Loader.add_constructor("!reset", lambda _loader, _node: RESET)


def load(path: Path) -> dict[str, Any]:
    """One file."""
    return yaml.load(path.read_text(), Loader=_Loader)


def merged(*names: str) -> dict[str, Any]:
    """Files of ``trust/``, each laid over those before it."""
    result: dict[str, Any] = {}
    for name in names:
        result = _merge(result, load(TRUST / name))
    return result


def _merge(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        whole = deepcopy(below)
        for key, value in above.items():
            if value is RESET:
                whole.pop(key, None)
            else:
                whole[key] = _merge(below[key], value) if key in below else deepcopy(value)
        return whole
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return deepcopy(above)
