"""Fewer, better pairs out of many: recurrences on Bell-diagonal pairs, and what they cost.

Weights are those of (I, X, Y, Z), that is of Φ+, Ψ+, Ψ−, Φ−. Local operations are perfect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from qring.theory.capacity import entropy_bits, superdense_capacity, unassisted_capacity

__all__ = ["Distilled", "Route", "bbpssw", "carriers_per_bit", "dejmps", "hashing_yield"]

Weights = tuple[float, float, float, float]


class Distilled(NamedTuple):
    """The pair that is left, and the probability that the two are not lost."""

    weights: Weights
    success: float


def bbpssw(first: Sequence[float], second: Sequence[float]) -> Distilled:
    """Bilateral CNOT, compare the targets, twirl what is left to a Werner pair.

    Source: Bennett, Brassard, Popescu, Schumacher, Smolin and Wootters, PRL 76, 722 (1996).
    Standing: exact.
    """
    (i, x, y, z), success = _compare(first, second)
    third = (x + y + z) / 3
    return Distilled((i, third, third, third), success)


def dejmps(first: Sequence[float], second: Sequence[float]) -> Distilled:
    """Turn both pairs so that Y becomes Z, then as :func:`bbpssw`, without a twirl.

    Source: Deutsch, Ekert, Jozsa, Macchiavello, Popescu and Sanpera, PRL 77, 2818 (1996).
    Standing: exact; pairs may differ.
    """
    (i, x, y, z), success = _compare(_turned(first), _turned(second))
    return Distilled((i, x, y, z), success)


def hashing_yield(weights: Sequence[float]) -> float:
    """Perfect pairs a pair, 1 − H(λ) or 0. Standing: exact, asymptotic rate."""
    return max(0.0, 1 - entropy_bits(weights))


class Route(NamedTuple):
    """Carriers a payload bit: sent online, and over setup and online together."""

    name: str
    online: float
    lifetime: float


def carriers_per_bit(fidelity: float, goodput: float) -> tuple[Route, ...]:
    """Ways to use Werner pairs of this fidelity; ``goodput`` is that of the coded link, measured.

    A route that carries nothing costs infinitely many. Standing: exact but for ``goodput`` and
    the asymptotic rates of hashing and of capacities.
    """
    third = (1 - fidelity) / 3
    raw: Weights = (fidelity, third, third, third)
    once = dejmps(raw, raw)
    twice = dejmps(once.weights, once.weights)
    routes = [
        Route("classical bits", 1.0, 1.0),
        Route("coded, as measured", 1 / goodput, 2 / goodput),
        _route("coded, at capacity", superdense_capacity(raw), 1),
        _route("distilled once, then coded at capacity", superdense_capacity(once.weights),
               2 / once.success),
        _route("distilled twice, then coded at capacity", superdense_capacity(twice.weights),
               4 / (once.success * twice.success)),
        _hashed(raw),
        _route("same channel without entanglement", unassisted_capacity(fidelity), 0),
    ]  # fmt: skip
    return tuple(routes)


def _hashed(raw: Weights) -> Route:
    left = hashing_yield(raw)
    return Route("distilled by hashing", 0.5, 0.5 + 0.5 / left if left > 0 else math.inf)


def _route(name: str, bits_a_qubit: float, raw_pairs: float) -> Route:
    if bits_a_qubit <= 0:
        return Route(name, math.inf, math.inf)
    return Route(name, 1 / bits_a_qubit, (1 + raw_pairs) / bits_a_qubit)


def _turned(weights: Sequence[float]) -> Weights:
    i, x, y, z = weights
    return i, x, z, y


def _compare(first: Sequence[float], second: Sequence[float]) -> Distilled:
    """Keep the first pair where bit flips of both agree: phase flips of both add up on it."""
    (i, x, y, z), (j, u, v, w) = first, second
    success = (i + z) * (j + w) + (x + y) * (u + v)
    kept = (i * j + z * w, x * u + y * v, x * v + y * u, i * w + z * j)
    a, b, c, d = (part / success for part in kept)
    return Distilled((a, b, c, d), success)
