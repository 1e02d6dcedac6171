"""The noise: of the right shape, exact, and on a grid that betrays nothing."""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections import Counter
from fractions import Fraction

import pytest

from flame_node_agent.results.laplace import (
    GRID_STEPS_PER_SCALE,
    NoiseUndefined,
    discrete_laplace,
    noisy,
)

DRAWS = 20_000


@pytest.fixture
def dice() -> random.Random:
    return random.Random(20261121)


def test_discrete_noise_has_the_probabilities_of_the_laplace_distribution(dice: random.Random) -> None:
    scale = Fraction(3, 2)
    drawn = Counter(discrete_laplace(scale, dice.randrange) for _ in range(DRAWS))
    ratio = math.exp(-1 / scale)
    for number in range(-6, 7):
        expected = DRAWS * (1 - ratio) / (1 + ratio) * ratio ** abs(number)
        assert abs(drawn[number] - expected) < 5 * math.sqrt(expected), number


def test_noise_has_the_scale_of_sensitivity_by_epsilon(dice: random.Random) -> None:
    drawn = [noisy(10.0, sensitivity=3.0, epsilon=0.5, below=dice.randrange) - 10.0 for _ in range(DRAWS)]
    # For a Laplace distribution of scale b the mean distance is b and the variance 2 b².
    assert statistics.mean(map(abs, drawn)) == pytest.approx(6.0, rel=0.05)
    assert statistics.pvariance(drawn) == pytest.approx(72.0, rel=0.1)
    assert statistics.mean(drawn) == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_outputs_of_neighbours_differ_by_no_more_than_the_budget(dice: random.Random, epsilon: float) -> None:
    def negative(value: float) -> float:
        hits = sum(
            noisy(value, sensitivity=1.0, epsilon=epsilon, below=dice.randrange) < 0.5 for _ in range(DRAWS)
        )
        return max(hits, 1) / DRAWS

    assert negative(0.0) / negative(1.0) < math.exp(epsilon) * 1.2


def test_every_output_lies_on_the_grid_whatever_the_value(dice: random.Random) -> None:
    step = Fraction(1, GRID_STEPS_PER_SCALE)
    for value in (0.1, 1 / 3, math.pi, -2.7e-5):
        for _ in range(50):
            assert Fraction(noisy(value, sensitivity=1.0, epsilon=1.0, below=dice.randrange)) % step == 0


def test_extreme_parameters_give_finite_numbers(dice: random.Random) -> None:
    for value, sensitivity, epsilon in (
        (0.0, 5e-324, 1.0),
        (0.0, sys.float_info.max, 1.0),
        (sys.float_info.max, sys.float_info.max, 1.0),
        (-sys.float_info.max, sys.float_info.max, 1.0),
        (5e-324, 1.0, 1e-300),
    ):
        for _ in range(20):
            drawn = noisy(value, sensitivity=sensitivity, epsilon=epsilon, below=dice.randrange)
            assert math.isfinite(drawn)


@pytest.mark.parametrize(
    ("value", "sensitivity", "epsilon"),
    [(0.0, 1e308, 1e-10), (1.0, 1e-20, 1.0), (1e300, 1.0, 1.0), (0.0, 5e-324, 3.0)],
)
def test_noise_that_is_infinite_or_lost_in_rounding_is_refused(
    value: float, sensitivity: float, epsilon: float
) -> None:
    with pytest.raises(NoiseUndefined):
        noisy(value, sensitivity=sensitivity, epsilon=epsilon)


def test_system_randomness_gives_a_new_number_each_time() -> None:
    assert len({noisy(1.0, sensitivity=1.0, epsilon=1.0) for _ in range(20)}) == 20
