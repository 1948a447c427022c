"""Reals become integers at random without bias, and without growing longer than a known bound.

Source: Kairouz, Liu and Steinke, The distributed discrete Gaussian mechanism for federated
learning with secure aggregation (2021), section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["norm_bound", "round_at_random", "squared_norm"]

_TRIES = 10_000


def norm_bound(length: float, coords: int, beta: float = math.exp(-0.5)) -> float:
    """Length that a vector of ``length`` steps has after rounding, at most, but for ``beta``.

    min{L+√d, √(L² + d/4 + √(2·ln 1/β)·(L+√d/2))}. Standing: bound, for unbiased independent
    rounding to a neighbouring integer; L+√d holds always.
    """
    spread = math.sqrt(2 * math.log(1 / beta)) * (length + math.sqrt(coords) / 2)
    return min(length + math.sqrt(coords), math.sqrt(length**2 + coords / 4 + spread))


def squared_norm(integers: NDArray[np.int64]) -> int:
    """Exact squared length."""
    largest = int(np.abs(integers).max(initial=0))
    if len(integers) * largest**2 < 1 << 63:
        return int(np.dot(integers, integers))
    return sum(value**2 for value in integers.tolist())


def round_at_random(
    reals: NDArray[Any], longest: float, source: Callable[[int], bytes]
) -> NDArray[np.int64]:
    """Round every value up or down, right on average; again, if the result is too long.

    ``longest`` is :func:`norm_bound` of the vector's own bound, or infinite: a try fails with
    probability at most e^−½ then. The length is that of the integers, with no rounding in it.
    """
    below = np.floor(reals)
    rest = reals - below
    largest = math.floor(longest**2) if math.isfinite(longest) else None
    for _ in range(_TRIES):
        drawn = np.frombuffer(source(4 * len(reals)), np.uint32) * 2.0**-32
        integers: NDArray[np.int64] = (below + (drawn < rest)).astype(np.int64)
        if largest is None or squared_norm(integers) <= largest:
            return integers
    raise ArithmeticError("no rounding was short enough: the vector is longer than its bound")
