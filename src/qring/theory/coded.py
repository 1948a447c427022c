"""Links that correct their noise: what is to be expected of frames, rounds and carriers.

Weights are those of a pair's errors (I, X, Y, Z).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qring.errors import InputError
from qring.theory.capacity import superdense_capacity, werner_weights

__all__ = [
    "bounded_distance_loss",
    "expected_attempts",
    "frame_goodput",
    "goodput_of_capacity",
]


def bounded_distance_loss(pairs: int, corrects: int, weights: Sequence[float]) -> float:
    """Probability that more than ``corrects`` bits of a frame on ``pairs`` pairs are flipped.

    A pair flips one bit for X and Z, two for Y. Standing: exact, by repeated convolution.
    """
    i, x, y, z = weights
    result, power = np.ones(1), np.array([i, x + z, y])
    remaining = pairs
    while remaining:
        if remaining & 1:
            result = np.convolve(result, power)[: corrects + 1]
        power = np.convolve(power, power)[: corrects + 1]
        remaining >>= 1
    return max(0.0, 1 - math.fsum(float(term) for term in result))


def expected_attempts(frames: int, loss: float) -> float:
    """Mean attempts until the slowest of ``frames`` frames has arrived.

    1 + Σ_k (1 − (1−loss^k)^frames), frames being lost independently. Standing: exact.

    Raises:
        InputError: ``loss`` not in [0, 1).
    """
    if not 0 <= loss < 1:
        raise InputError(f"a share of lost frames lies in [0, 1), not at {loss}")
    total, lost = 1.0, loss
    while frames * lost > 1e-15:
        total += -math.expm1(frames * math.log1p(-lost))
        lost *= loss
    return total


def frame_goodput(data_bits: int, pairs: int, loss: float) -> float:
    """Data bits a qubit where a lost frame is sent anew: data/pairs·(1−loss). Standing: exact."""
    return data_bits / pairs * (1 - loss)


def goodput_of_capacity(goodput: float, fidelity: float) -> float:
    """Share of the capacity of Werner pairs that ``goodput`` data bits a qubit are."""
    return goodput / superdense_capacity(werner_weights(fidelity))
