"""Reals in [−limit, limit] rounded to the nearest of 2^b − 1 steps, right at every word size.

A float has 53 bits. In words of up to ``_NARROW`` bits plain division is off by far less than a
step; beyond that 2^(b−1) − 1 is no float, and a quotient of floats is off by up to 2^(b−54) steps,
so the quotient is formed in two floats, of which the second holds what the first leaves over.
Source: Dekker, A floating-point technique for extending the available precision (1971).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest_steps"]

Reals = NDArray[np.float64]

_NARROW = 40
"""Widest words for plain division: it is off by less than 2^−12 of a step."""
_SPLITTER = 2.0**27 + 1


def nearest_steps(reals: Reals, limit: float, word_bits: int) -> NDArray[np.int64]:
    """Round ``reals``·(2^(b−1)−1)/``limit`` to whole numbers; ``reals`` may be overwritten.

    Expects |reals| ≤ ``limit``. Whole steps lie in ±(2^(b−1)−1). The nearest one is found but
    where two are equally near to within 2^−12 of a step.
    """
    largest = (1 << (word_bits - 1)) - 1
    if word_bits <= _NARROW:
        reals /= limit / largest
        np.rint(reals, out=reals)
        return reals.astype(np.int64)
    mantissa, exponent = math.frexp(limit)
    scaled = np.ldexp(reals, -exponent)
    quotient = scaled / mantissa
    rest = _left_over(scaled, quotient, mantissa) / mantissa
    # (quotient + rest)·(2^(b−1) − 1); the first product is exact, whole or not.
    wide = np.ldexp(quotient, word_bits - 1)
    whole = np.rint(wide)
    near = np.rint((wide - whole) - quotient + rest * float(largest))
    return whole.astype(np.int64) + near.astype(np.int64)


def _left_over(scaled: Reals, quotient: Reals, mantissa: float) -> Reals:
    """Return ``scaled`` − ``quotient``·``mantissa``, exactly."""
    product = quotient * mantissa
    high, low = _halves(quotient)
    above = mantissa * _SPLITTER - (mantissa * _SPLITTER - mantissa)
    below = mantissa - above
    missing = ((high * above - product) + high * below + low * above) + low * below
    return np.asarray((scaled - product) - missing)


def _halves(values: Reals) -> tuple[Reals, Reals]:
    """Two floats of 26 bits each that add up to ``values``."""
    spread = values * _SPLITTER
    high = spread - (spread - values)
    return high, values - high
