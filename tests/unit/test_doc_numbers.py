"""Numbers that the pages tell in words are those of the code."""

from __future__ import annotations

import pytest

from flame_node_agent.agent.inbound import KEPT_IN_MEMORY
from flame_node_agent.agent.names import LONGEST_NAME
from flame_node_agent.agent.result_side import GAUGES_INTERVAL_SECONDS
from flame_node_agent.crypto.sealing import CHUNK_BYTES, MAXIMUM_PLAINTEXT, OVERHEAD_BYTES
from flame_node_agent.hub.exchange import MAX_ANSWER_BYTES
from flame_node_agent.hub.multipart import PIECE_BYTES
from flame_node_agent.results import filenames, limits, localdp
from flame_node_agent.results.issuer_keys import MIN_RSA_BITS
from flame_node_agent.results.tokens import LEEWAY_SECONDS
from flame_node_agent.stores.objects import PARALLEL_PARTS_IN_ALL, READ_BLOCK
from flame_node_agent.stores.parts import MAXIMUM_PARTS, part_size
from tests.unit.reference_pages import ROOT

KIB, MIB, GIB = 1024, 1024**2, 1024**3
LARGEST_OBJECT = sum(part_size(number) for number in range(1, MAXIMUM_PARTS + 1))
PART_STEPS = [part_size(1), part_size(1_001), part_size(5_001)]

TOLD = [
    ("howto/limit-bandwidth-and-sizes.md", f"{LARGEST_OBJECT // GIB} GiB for any file"),
    ("howto/limit-bandwidth-and-sizes.md", f"{(MAXIMUM_PLAINTEXT + 32) // GIB} GiB less 32 bytes"),
    ("howto/limit-bandwidth-and-sizes.md", f"{filenames.MAX_BYTES:,} bytes for a file name"),
    ("howto/limit-bandwidth-and-sizes.md", f"{limits.MAX_FIELD_BYTES // KIB} KiB for a form field"),
    ("howto/limit-bandwidth-and-sizes.md", f"{limits.MAX_PARTS:,} parts for a form"),
    ("howto/limit-bandwidth-and-sizes.md", f"{localdp.MAX_NUMBER_BYTES:,} bytes for the number"),
    ("explanation/sealing.md", f"{CHUNK_BYTES - OVERHEAD_BYTES:,} bytes"),
    ("explanation/sealing.md", f"{OVERHEAD_BYTES} bytes longer"),
    *(("explanation/streaming-and-memory.md", f"| {step // MIB} MiB |") for step in PART_STEPS),
    ("explanation/streaming-and-memory.md", f"up to {LARGEST_OBJECT // GIB} GiB"),
    ("explanation/streaming-and-memory.md", f"at most {PARALLEL_PARTS_IN_ALL} parts"),
    ("explanation/streaming-and-memory.md", f"blocks of {READ_BLOCK // MIB} MiB"),
    ("explanation/streaming-and-memory.md", f"pieces of {PIECE_BYTES // KIB} KiB"),
    ("explanation/streaming-and-memory.md", f"Up to {KEPT_IN_MEMORY // MIB} MiB"),
    ("explanation/streaming-and-memory.md", f"answers of the hub ({MAX_ANSWER_BYTES // MIB} MiB)"),
    ("explanation/delivery-semantics.md", f"more than {LONGEST_NAME} bytes"),
    ("threat-model.md", f"RSA below {MIN_RSA_BITS} bits"),
    ("threat-model.md", f"{LEEWAY_SECONDS} s leeway"),
    ("architecture.md", f"| `agent/gauges.py` | {GAUGES_INTERVAL_SECONDS} s |"),
]


@pytest.mark.parametrize(("page", "words"), TOLD, ids=[words for _, words in TOLD])
def test_number_on_a_page_is_that_of_the_code(page: str, words: str) -> None:
    text = " ".join((ROOT / "docs" / page).read_text("utf-8").split())
    assert words in text
