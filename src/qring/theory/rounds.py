"""Leakage of many rounds together: static inputs, and two ways in which a bound on it fails.

Source: paper theorem 3 and lemma 3.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = [
    "drifting_weights",
    "epsilon_of_rounds",
    "leak_of_weighted_gaussian",
    "participation",
]


def epsilon_of_rounds(rounds: int, epsilon_per_verification: float, *, per_round: int = 1) -> float:
    """Distance from the ideal after ``rounds`` rounds with so many verifications each: they add.

    One verification a round costs T·ε, one a coordinate d·T·ε; masks verified in one batch before
    the first round cost ε in all. Standing: bound. Source: paper lemma 3.
    """
    if rounds < 0 or per_round < 0 or epsilon_per_verification < 0:
        raise InputError("rounds, verifications and epsilon are not negative")
    return min(1.0, rounds * per_round * epsilon_per_verification)


def leak_of_weighted_gaussian(weights: NDArray[np.float64], noise: float = 1.0) -> float:
    """Bits that rounds of sums tell on worker 0's constant, all constants standard Gaussian.

    Round t shows Σ_i w_ti·X_i + Z_t with Z_t of variance ``noise``; ``weights`` has shape (rounds,
    workers). I = ½·log2(1 + w₀ᵀ(noise + W Wᵀ)⁻¹w₀) with W the other workers' columns. With equal
    weights it stays below ½·log2(n/(n−1)) for any number of rounds; weights that vary separate
    the workers, and it grows without limit. Standing: exact. Ours.
    """
    own, others = weights[:, 0], weights[:, 1:]
    # By the matrix inversion lemma, in the few dimensions of the workers.
    small = noise * np.eye(others.shape[1]) + others.T @ others
    along = others.T @ own
    gain = (own @ own - along @ np.linalg.solve(small, along)) / noise
    return 0.5 * math.log2(1 + float(gain))


def drifting_weights(
    rounds: int, workers: int, spread: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weights around 1 whose standard deviation is ``spread``, drawn anew each round."""
    return 1 + spread * rng.standard_normal((rounds, workers))


def participation(
    rounds: int, workers: int, share: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Weights 1 or 0: each worker takes part in each round with probability ``share``."""
    return (rng.random((rounds, workers)) < share).astype(np.float64)
