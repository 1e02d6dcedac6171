"""What the demonstration sends is the same in every run, and as large as it says."""

from __future__ import annotations

import hashlib
import pickle

import pytest

from flame_node_agent.devstack.demo import samples
from flame_node_agent.devstack.demo.samples import Sample


def digest(sample: Sample) -> str:
    found = hashlib.sha256()
    for chunk in sample.chunks():
        found.update(chunk)
    return found.hexdigest()


@pytest.mark.parametrize("number", range(3))
def test_a_sample_has_its_size_and_the_same_bytes_each_time(number: int) -> None:
    sample = samples.samples()[number]
    assert sum(len(chunk) for chunk in sample.chunks()) == sample.size
    assert digest(sample) == digest(samples.samples()[number])


def test_the_model_is_a_pickle_of_a_few_megabytes() -> None:
    model = samples.samples()[0]
    content = b"".join(model.chunks())
    assert 3_000_000 < len(content) < 6_000_000
    assert set(pickle.loads(content)["layers"]) == {"input", "hidden", "output"}


def test_the_large_file_is_never_held_in_one_piece() -> None:
    large = samples.samples()[2]
    assert large.size == 256 << 20
    assert max(len(chunk) for chunk in large.chunks()) <= 1 << 20


def test_what_is_sent_in_the_outage_is_another_file() -> None:
    assert digest(samples.small_result()) not in {digest(sample) for sample in samples.samples()[:2]}
