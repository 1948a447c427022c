"""Exact binomial tails, intervals and sample sizes. Standing of every figure: exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = [
    "at_most",
    "check_accuracy",
    "interval",
    "law",
    "laws",
    "majority_trials",
    "sample_size",
    "worst_miss",
]


def law(trials: int, p: float) -> NDArray[np.float64]:
    """Probabilities of 0..trials successes."""
    return np.asarray(laws(trials, np.array([p]))[0])


def laws(trials: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of 0..trials successes for every p in a vector; shape (len(p), trials+1)."""
    k = np.arange(trials + 1)
    logs = _log_factorials(trials)
    choose = logs[-1] - logs - logs[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(k > 0, k * np.log(p)[:, None], 0.0)  # 0·log 0 is 0
        down = np.where(k < trials, (trials - k) * np.log1p(-p)[:, None], 0.0)
    return np.asarray(np.exp(choose + up + down))


@lru_cache(maxsize=32)
def _log_factorials(trials: int) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])


def at_most(k: int, trials: int, p: float) -> float:
    """P(K ≤ k)."""
    if k < 0:
        return 0.0
    return float(min(1.0, law(trials, p)[: k + 1].sum()))


@lru_cache(maxsize=4096)
def interval(k: int, trials: int, failure: float) -> tuple[float, float]:
    """Clopper–Pearson: holds the true p with probability at least 1 − ``failure``, always."""
    if trials == 0:
        return 0.0, 1.0
    # Both ends as upper tails, summed themselves: one less a sum would cancel at small failures.
    low = 0.0 if k == 0 else _crossing(lambda p: _at_least(k, trials, p), failure / 2)
    high = 1.0
    if k < trials:
        high -= _crossing(lambda p: _at_least(trials - k, trials, p), failure / 2)
    return low, high


def _at_least(k: int, trials: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(K ≥ k) for every p in a vector."""
    return np.asarray(laws(trials, p)[:, k:].sum(axis=1))


def _crossing(rising: Callable[[NDArray[np.float64]], NDArray[np.float64]], level: float) -> float:
    """Point at which a function that rises on [0, 1] reaches ``level``; from below."""
    low, high = 0.0, 1.0
    while high - low > 1e-15:
        edges = np.linspace(low, high, 18)
        below = int((rising(edges[1:-1]) <= level).sum())
        low, high = float(edges[below]), float(edges[below + 1])
    return low


@lru_cache(maxsize=4096)
def worst_miss(trials: int, epsilon: float) -> float:
    """Largest probability over all p that K/trials is farther than ``epsilon`` from p.

    The probability jumps where p = k/m ± ε: both sides of every jump are tried, and a grid.
    """
    edges = np.arange(trials + 1) / trials
    shift = 1e-12
    p = np.concatenate(
        [edges + sign * epsilon + side * shift for sign in (-1, 1) for side in (-1, 1)]
        + [np.linspace(0.25, 0.75, 65)]
    )
    p = p[(p > 0) & (p < 1)]
    # By symmetry p and 1 − p fail alike.
    p = p[p <= 0.5 + epsilon / 4 + 1 / trials]
    worst = 0.0
    for part in np.array_split(p, max(1, len(p) * trials // 2_000_000)):
        outside = np.abs(edges[None, :] - part[:, None]) > epsilon
        worst = max(worst, float((laws(trials, part) * outside).sum(axis=1).max(initial=0.0)))
    return worst


def check_accuracy(epsilon: float, delta: float) -> None:
    """Refuse an accuracy or a failure probability outside (0, 1).

    Raises:
        InputError: as said.
    """
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} lies between 0 and 1, both excluded, not at {value}")


@lru_cache(maxsize=256)
def sample_size(epsilon: float, delta: float) -> int:
    """Fewest trials that estimate any p within ``epsilon`` but with probability ``delta``.

    Raises:
        InputError: ε or δ outside (0, 1), or too small for an exact search.
    """
    check_accuracy(epsilon, delta)
    hoeffding = math.ceil(math.log(2 / delta) / (2 * epsilon**2))
    if hoeffding > 1_000_000:
        raise InputError(
            f"epsilon {epsilon} with delta {delta} would take up to {hoeffding:,} copies, "
            "beyond what is designed here (1,000,000); raise either"
        )
    if hoeffding > 4000:
        return hoeffding
    # Where p is 1/2 the miss is a lower bound and quick to find: it rules out most sizes.
    for trials in range(1, hoeffding):
        if _miss_at_half(trials, epsilon) <= delta and worst_miss(trials, epsilon) <= delta:
            return trials
    return hoeffding


def _miss_at_half(trials: int, epsilon: float) -> float:
    # K/m < ½ − ε, strictly: just below p = ½ nothing changes but where ½ − ε is a multiple of 1/m
    below = math.ceil(trials * (0.5 - epsilon) - 1e-9) - 1
    return 2 * at_most(below, trials, 0.5)


@lru_cache(maxsize=1024)
def majority_trials(p: float, error: float) -> int:
    """Fewest trials, an odd number, whose majority is wrong with probability at most ``error``.

    ``p`` > ½ is the probability that one trial is right.
    """
    if at_most(0, 1, p) <= error:
        return 1
    low, high = 1, 3
    while at_most((high - 1) // 2, high, p) > error:
        low, high = high, 2 * high + 1
    while high - low > 2:
        middle = 2 * ((low + high) // 4) + 1
        if middle in (low, high):
            middle = low + 2
        low, high = (
            (low, middle)
            if at_most((middle - 1) // 2, middle, p) <= error
            else (
                middle,
                high,
            )
        )
    return high
