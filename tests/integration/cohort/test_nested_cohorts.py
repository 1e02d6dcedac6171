"""Nested cohorts, drawn at random, asked about on real databases."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from flame_node_agent.cohort.postgres_engine import PostgresEngine
from flame_node_agent.stores.database import Database
from tests.integration.cohort.test_query_log import THRESHOLD, Trust


@pytest.mark.parametrize("seed", range(4))
async def test_no_two_told_sizes_of_nested_cohorts_differ_by_few(
    engine: PostgresEngine, state: Database, seed: int
) -> None:
    draw = random.Random(seed)
    trust = Trust(engine, state)
    told = []
    for size in (draw.choice([draw.randint(0, 80), draw.randint(0, 2000)]) for _ in range(14)):
        answer = await trust.ask(f"SELECT person_id FROM person ORDER BY person_source_value LIMIT {size}")
        if not answer.suppressed:
            told.append(answer.record_count)
    assert len(set(told)) > 2
    for one, other in combinations(told, 2):
        assert not 0 < abs(one - other) < THRESHOLD
