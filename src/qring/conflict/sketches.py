"""The classical rivals of GapIP at their best constants, one message from worker 0 to worker 1.

All but the last share Gaussian directions g_1, g_2, … beforehand. Projections of two unit vectors
with inner product s on one direction are jointly normal with correlation s, whatever d: a rival
can be run on the vectors, or its projections drawn from that law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.conflict import binomial
from qring.conflict.finding import Decision, check_task
from qring.conflict.gap_ip import inner_product
from qring.conflict.rival import Rival
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network

__all__ = [
    "MAX_INDEX_BITS",
    "Projections",
    "Sketch",
    "SketchKind",
    "best_rival",
    "maximum_moments",
    "rivals",
    "sketch",
    "sketch_law",
]

MAX_INDEX_BITS = 32
"""Longest index that :func:`best_rival` considers; its sender searches 2^32 directions."""

_NORMAL = NormalDist()
Projections = Callable[[int], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""``n`` pairs of projections of both vectors, shape (n,) each."""


class SketchKind:
    """Names of the sketches."""

    TWO_SIDED = "sign sketch, both sides"
    ONE_SIDED = "sign sketch, one side real"
    INDEX = "index of the maximum"
    WORDS = "Johnson-Lindenstrauss words"
    EVERYTHING = "send everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A rival's decision, and the account of its one message."""

    decision: Decision
    rival: Rival
    ledger: Ledger


def rivals(
    coords: int, margin: float, error: float, *, word_bits: int = 16, index_bits: int = 16
) -> tuple[Rival, ...]:
    """All five rivals for d = ``coords``, each as cheap as the error allows.

    ``word_bits`` is the size of a projected word, and of a coordinate where all are sent.
    Standing: exact for signs on both sides; else normal approximation of a sum, exact in its
    first two moments.

    Raises:
        InputError: a margin, error or size outside its range.
    """
    check_task(margin, error)
    if coords < 1 or word_bits < 1 or not 1 <= index_bits <= MAX_INDEX_BITS:
        raise InputError(
            f"coordinates ({coords}) and word bits ({word_bits}) are at least 1, index bits "
            f"({index_bits}) between 1 and {MAX_INDEX_BITS}"
        )
    both = binomial.majority_trials(0.5 + math.asin(margin) / math.pi, error)
    mean, variance = margin * math.sqrt(2 / math.pi), 1 - 2 / math.pi * margin**2
    one = _terms(mean, variance, error)
    top, spread = maximum_moments(index_bits)
    index = _terms(margin * top, 1 - margin**2 + margin**2 * spread, error)
    words = _terms(margin, 1 + margin**2, error)
    shared = "shared random directions"
    return (
        Rival(name=SketchKind.TWO_SIDED, bits=both, messages=both,
              shared_random_words=both * coords, caveat=shared),
        Rival(name=SketchKind.ONE_SIDED, bits=one, messages=one,
              shared_random_words=one * coords, caveat=shared),
        Rival(name=SketchKind.INDEX, bits=index * index_bits, messages=index,
              shared_random_words=index * coords << index_bits,
              caveat=f"{shared}; the sender searches 2^{index_bits} of them a message"),
        Rival(name=SketchKind.WORDS, bits=words * word_bits, messages=words,
              shared_random_words=words * coords, caveat=shared),
        Rival(name=SketchKind.EVERYTHING, bits=coords * word_bits, messages=coords),
    )  # fmt: skip


def best_rival(coords: int, margin: float, error: float, *, word_bits: int = 16) -> Rival:
    """The cheapest of :func:`rivals`, with the best length of index.

    Raises:
        InputError: a margin, error or size outside its range.
    """
    options = [
        rival
        for bits in range(1, MAX_INDEX_BITS + 1)
        for rival in (rivals(coords, margin, error, word_bits=word_bits, index_bits=bits))
        if rival.name == SketchKind.INDEX or bits == 1
    ]
    return min(options, key=lambda rival: rival.bits)


def sketch(u: NDArray[Any], v: NDArray[Any], rival: Rival, rng: np.random.Generator) -> Sketch:
    """Run a rival on two vectors, shape (d,); ``rng`` is the randomness that both share.

    Raises:
        InputError: vectors without a direction.
    """
    cosine, lengths = inner_product(np.asarray(u, np.float64), np.asarray(v, np.float64))

    def project(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first, second = np.empty(count), np.empty(count)
        block = max(1, (1 << 22) // len(u))
        for start in range(0, count, block):
            part = slice(start, min(count, start + block))
            directions = rng.standard_normal((part.stop - start, len(u)))
            first[part] = directions @ u / lengths[0]
            second[part] = directions @ v / lengths[1]
        return first, second

    return _decide(rival, project, cosine)


def sketch_law(cosine: float, rival: Rival, rng: np.random.Generator) -> Sketch:
    """Run a rival on vectors of which only the inner product is known; the same law."""

    def project(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first = rng.standard_normal(count)
        return first, cosine * first + math.sqrt(1 - cosine**2) * rng.standard_normal(count)

    return _decide(rival, project, cosine)


def _decide(rival: Rival, project: Projections, cosine: float) -> Sketch:
    run = Network().open(2)
    run.wire(0, 1).send(Carrier.BIT, rival.bits)
    run.end_rounds()
    count = rival.messages
    if rival.name == SketchKind.EVERYTHING:
        evidence = cosine
    elif rival.name == SketchKind.INDEX:
        width = rival.bits // rival.messages
        evidence = 0.0
        for _ in range(count):
            sent, held = project(1 << width)
            evidence += float(held[int(sent.argmax())])
    else:
        sent, held = project(count)
        if rival.name == SketchKind.TWO_SIDED:
            evidence = float(((sent < 0) == (held < 0)).mean() - 0.5)
        elif rival.name == SketchKind.ONE_SIDED:
            evidence = float((np.sign(sent) * held).sum())
        else:
            evidence = float((sent * held).sum())
    decision = Decision.ALIGNED if evidence > 0 else Decision.CONFLICTING
    return Sketch(decision=decision, rival=rival, ledger=run.ledger())


def _terms(mean: float, variance: float, error: float) -> int:
    """Terms of a sum that is positive but with ``error``, each with this mean and variance."""
    return max(1, math.ceil(_NORMAL.inv_cdf(error) ** 2 * variance / mean**2))


@lru_cache(maxsize=64)
def maximum_moments(index_bits: int) -> tuple[float, float]:
    """Mean and variance of the largest of 2^R standard normals, by numerical integration."""
    x = np.linspace(-9, 14, 23_001)
    log_density = -(x**2) / 2 - math.log(2 * math.pi) / 2
    above = np.array([math.erfc(t / math.sqrt(2)) / 2 for t in x])
    log_below = np.log1p(-np.minimum(above, 1 - 1e-16))
    weights = np.exp(index_bits * math.log(2) + log_density + (2.0**index_bits - 1) * log_below)
    weights /= weights.sum()
    mean = float(weights @ x)
    return mean, float(weights @ (x - mean) ** 2)
