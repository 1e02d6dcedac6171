"""What code of researchers does in FLIP's FL client: get a dataframe. Runs with the published flip-utils, unmodified.

Orders come on standard input: ``url``, ``key``, ``project`` and ``query``; facts are told on standard output.
"""

from __future__ import annotations

import json
import os
import sys
from unittest.mock import MagicMock

orders = json.load(sys.stdin)
os.environ |= {
    "LOCAL_DEV": "false",
    "DATA_ACCESS_API_URL": orders["url"],
    "TRUST_INTERNAL_SERVICE_KEY": orders["key"],
    "NO_PROXY": "*",
}

# flip.utils imports PyTorch and NVFlare for weights of models, which do not matter here; they have a gigabyte.
sys.modules |= {name: MagicMock() for name in ("torch", "nvflare", "nvflare.apis", "nvflare.apis.dxo")}

from importlib.metadata import version  # noqa: E402 - flip reads the environment when it is first used

import flip  # noqa: E402
import requests  # noqa: E402


def main() -> dict[str, object]:
    """Get the rows and tell what they look like."""
    facts: dict[str, object] = {"version": version("flip-utils"), "file": flip.__file__}
    try:
        frame = flip.FLIP().get_dataframe(orders["project"], orders["query"])
    except requests.HTTPError as error:
        return facts | {"refused": error.response.status_code, "detail": error.response.json()["detail"]}
    return facts | {
        "columns": list(frame.columns),
        "types": [str(kind) for kind in frame.dtypes],
        "rows": len(frame),
        "first": json.loads(frame.head(1).to_json(orient="records"))[0],
        "ids": sorted(int(value) for value in frame["person_id"]),
        "missing": {name: int(frame[name].isna().sum()) for name in frame.columns},
    }


json.dump(main(), sys.stdout)
