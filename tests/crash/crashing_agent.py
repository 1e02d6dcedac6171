"""``python -m tests.crash.crashing_agent``: the real agent, with the crash points of the tests around its methods."""

from __future__ import annotations

import sys

from flame_node_agent.cli import main
from tests.crash.crash_points import install

if __name__ == "__main__":
    install()
    sys.argv = ["flame-node", "agent", *sys.argv[1:]]
    main()
