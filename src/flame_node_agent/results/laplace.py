"""The Laplace mechanism without the holes of floating-point arithmetic.

Adding a double drawn as ``log(uniform)`` betrays the value it should hide: the gaps between doubles show
which sums are possible (Mironov, "On Significance of the Least Significant Bits for Differential Privacy",
CCS 2012). So the value is rounded to a grid whose step is a power of two, and integer noise is added in steps
of that grid, as in "Secure Noise Generation" of Google's differential privacy library (2020). The integer
noise is drawn exactly, with integers only, by algorithm 2 of Canonne, Kamath and Steinke, "The Discrete
Gaussian for Differential Privacy" (NeurIPS 2020), which is also what OpenDP uses, from the operating system's
random numbers.
"""

from __future__ import annotations

import math
import secrets
import sys
from collections.abc import Callable
from fractions import Fraction

GRID_STEPS_PER_SCALE = 2**40
"""How much finer than the noise the grid is; the figure of Google's library."""

RandomBelow = Callable[[int], int]
"""Draws an integer from 0 up to, not including, its argument."""


class NoiseUndefined(ValueError):
    """No noise of this kind exists, or none would be left after rounding to a double."""


def noisy(
    value: float, *, sensitivity: float, epsilon: float, below: RandomBelow = secrets.randbelow
) -> float:
    """Add Laplace noise of scale ``sensitivity / epsilon``, so that the result is ``epsilon``-private.

    Args:
        value: any finite number.
        sensitivity: by how much the value may differ between neighbouring data sets; finite and above 0.
        epsilon: the privacy budget; finite and above 0.
        below: the source of randomness.

    Raises:
        NoiseUndefined: the noise would be infinite, or too small to change the value.
    """
    scale = Fraction(sensitivity) / Fraction(epsilon)
    if scale > sys.float_info.max:
        raise NoiseUndefined("sensitivity / epsilon is too large: the noise would be infinite")
    if scale < Fraction(math.ulp(value)):
        raise NoiseUndefined("sensitivity / epsilon is too small: the value would be sent without noise")
    step = _power_of_two_at_least(scale / GRID_STEPS_PER_SCALE)
    # Rounding to the grid can move two neighbouring values one step further apart.
    scale_in_steps = (Fraction(sensitivity) / step + 1) / Fraction(epsilon)
    steps = round(Fraction(value) / step) + discrete_laplace(scale_in_steps, below)
    try:
        return float(steps * step)
    except OverflowError:
        return math.copysign(sys.float_info.max, steps)


def discrete_laplace(scale: Fraction, below: RandomBelow) -> int:
    """Draw an integer x with a probability proportional to ``exp(-abs(x) / scale)``."""
    numerator, denominator = scale.numerator, scale.denominator
    while True:
        offset = below(numerator)
        if not _happens_exp(Fraction(offset, numerator), below):
            continue
        turns = 0
        while _happens_exp(Fraction(1), below):
            turns += 1
        magnitude = (offset + numerator * turns) // denominator
        negative = below(2) == 1
        if negative and magnitude == 0:
            continue  # or zero would come twice as often as it should
        return -magnitude if negative else magnitude


def _happens_exp(exponent: Fraction, below: RandomBelow) -> bool:
    """Whether an event of probability ``exp(-exponent)`` happens, for an exponent from 0 to 1."""
    trials = 1
    while below(exponent.denominator * trials) < exponent.numerator:
        trials += 1
    return trials % 2 == 1


def _power_of_two_at_least(bound: Fraction) -> Fraction:
    exponent = bound.numerator.bit_length() - bound.denominator.bit_length() - 1
    while Fraction(2) ** exponent < bound:
        exponent += 1
    return Fraction(2) ** exponent
