"""The classical rivals of TieAudit at their best constants, one message from server to client.

A rival estimates F, the disagreeing share of pairs within a tie, averaged over ties by their
number of coordinates. With x the signs, B block-diagonal over the ties, (J − 1)/(g−1) on a tie of
g, and T coordinates tied, F = 1/2 − xᵀBx/(2T): B has no trace, so noise that is the same in all
directions cancels. Structure helps the rival: k signs at shared random positions pair up inside
ties of g about g−1 times as often as inside pairs.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.conflict import binomial
from qring.conflict.index_pairs import pair_variance
from qring.conflict.matching import Groups, Matching
from qring.conflict.rival import Rival
from qring.conflict.search import least
from qring.conflict.sketches import MAX_INDEX_BITS, SketchKind
from qring.errors import InputError

__all__ = [
    "ALL_SIGNS",
    "BIRTHDAY",
    "Shape",
    "best_tie_rival",
    "birthday_spread",
    "index_spread",
    "tie_rivals",
]

BIRTHDAY = "birthday broadcast"
ALL_SIGNS = "all signs"
_SHARED = "shared random positions; one broadcast serves every client"
_INDEX = "shared random directions, of which the sender searches 2^{}; one broadcast serves all"


class Shape(NamedTuple):
    """Number of coordinates, and of ties of each size."""

    coords: int
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, ties: Matching | Groups) -> Shape:
        """Read it off the ties; a matching has ties of two."""
        if isinstance(ties, Groups):
            sizes, counts = np.unique(ties.sizes, return_counts=True)
            return cls(ties.coords, sizes, counts)
        return cls(ties.coords, np.array([2]), np.array([ties.tied // 2]))

    @property
    def tied(self) -> int:
        """T, coordinates in some tie."""
        return int((self.sizes * self.counts).sum())

    @property
    def squares(self) -> float:
        """Trace of B², Σ g/(g−1) over the ties."""
        return float((self.counts * self.sizes / (self.sizes - 1)).sum())


def tie_rivals(
    ties: Matching | Groups | Shape, epsilon: float, delta: float, *, index_bits: int = 16
) -> tuple[Rival, ...]:
    """Five rivals that find F within ``epsilon`` but with ``delta``, whatever the signs.

    The first three are one-way and know as little of the ties as the quantum server; the others
    know more. Standing: normal approximation of an estimate that is exact in its mean and in its
    largest variance for ties of one size, bounded for mixed sizes; all signs are exact; the last
    two by the exact binomial law.

    Raises:
        InputError: ε, δ or ``index_bits`` outside their ranges.
    """
    binomial.check_accuracy(epsilon, delta)
    if not 1 <= index_bits <= MAX_INDEX_BITS:
        raise InputError(f"index bits lie between 1 and {MAX_INDEX_BITS}, not at {index_bits}")
    shape = ties if isinstance(ties, Shape) else Shape.of(ties)
    d = shape.coords
    goal = epsilon / -NormalDist().inv_cdf(delta / 2)
    signs = least(lambda k: birthday_spread(shape, k) <= goal, 2, d)
    terms = least(lambda t: index_spread(shape, t, index_bits) <= goal, 2, 2 * d)
    samples = binomial.sample_size(epsilon, delta)
    # An upstream message names sampled pairs; the server answers with their parities.
    asked = math.ceil(samples * (2 * math.log2(d) + 1))
    return (
        Rival(name=BIRTHDAY, bits=signs, messages=signs, shared_random_words=signs,
              caveat=_SHARED),
        Rival(name=SketchKind.INDEX, bits=terms * index_bits, messages=terms,
              shared_random_words=terms * d << index_bits, caveat=_INDEX.format(index_bits)),
        Rival(name=ALL_SIGNS, bits=d, messages=d,
              caveat="exact; one broadcast serves every client"),
        Rival(name="server knows the ties", bits=samples, messages=samples,
              caveat="the ties are no longer private"),
        Rival(name="one upstream message", bits=asked, messages=samples,
              caveat="not one-way: the client names its pairs"),
    )  # fmt: skip


def best_tie_rival(ties: Matching | Groups | Shape, epsilon: float, delta: float) -> Rival:
    """The cheapest rival that is one-way and knows nothing of the ties, at the best index.

    Raises:
        InputError: as :func:`tie_rivals`.
    """
    shape = ties if isinstance(ties, Shape) else Shape.of(ties)
    plain = tie_rivals(ties, epsilon, delta, index_bits=MAX_INDEX_BITS)[:3]
    goal = epsilon / -NormalDist().inv_cdf(delta / 2)
    best = min(plain, key=lambda rival: (rival.bits, rival.name != ALL_SIGNS))
    # A longer index never needs more terms; only where few do is a shorter one worth a look.
    for width in range(MAX_INDEX_BITS - 1, 0, -1):
        most = (best.bits - 1) // width
        if most < 2 or index_spread(shape, most, width) > goal:
            continue
        terms = least(lambda t, r=width: index_spread(shape, t, r) <= goal, 2, most)  # type: ignore[misc]
        best = Rival(name=SketchKind.INDEX, bits=terms * width, messages=terms,
                     shared_random_words=terms * shape.coords << width,
                     caveat=_INDEX.format(width))  # fmt: skip
    return best


def birthday_spread(shape: Shape, signs: int) -> float:
    """Largest standard deviation of F from ``signs`` signs at random positions, over all signs.

    The estimate weighs a complete pair of a tie of g by 1/(g−1) and divides by the probability
    π₂ that a pair is complete. With a = xᵀBx/2 and π_r the probability of r given positions, its
    variance is [P₂(π₂−π₄) + 2ρa(π₃−π₄) − a²(π₂²−π₄)]/(Tπ₂)², P₂ = tr B²/2, ρ = (g−2)/(g−1).
    Standing: exact for ties of one size, else a bound (each sign of a takes the worse ρ).
    """
    d, tied = shape.coords, shape.tied
    two, three, four = (_together(d, signs, r) for r in (2, 3, 4))
    squares = shape.squares / 2
    ratios = (shape.sizes - 2) / (shape.sizes - 1)

    def variance(a: float) -> float:
        ratio = float(ratios.max() if a > 0 else ratios.min())
        return squares * (two - four) + 2 * ratio * a * (three - four) - a * a * (two**2 - four)

    slope, curve = float(ratios.max()) * (three - four), two**2 - four
    middle = slope / curve if curve > 0 else 0.0
    worst = max(variance(a) for a in (0.0, min(middle, tied / 2)))
    return math.sqrt(max(0.0, worst)) / (tied * two)


def index_spread(shape: Shape, terms: int, index_bits: int, even: float | None = None) -> float:
    """Largest standard deviation of F from ``terms`` indices of 2^R shared normal directions.

    F = 1/2 − d/(2T)·gᵀBg, g the unit vector of signs, and :func:`pair_variance` tells how the
    estimate of gᵀBg scatters. ``even`` is the weight of g on the ties' uniform
    vectors, the worst where it is not given. Standing: exact for ties of one size, else a bound.
    """
    share = shape.tied / shape.coords
    low = -1 / (float(shape.sizes.min()) - 1)

    def variance(even: float) -> float:
        value = even + (share - even) * low
        turned = even + (share - even) * low**2
        return pair_variance(terms, index_bits, value, turned, shape.squares)

    weights = np.linspace(0, share, 33) if even is None else [even]
    worst = max(map(variance, weights))
    return shape.coords / (2 * shape.tied) * math.sqrt(worst)


def _together(coords: int, signs: int, places: int) -> float:
    """Probability that so many given positions are all among ``signs`` random ones."""
    return math.prod(max(0, signs - i) / max(1, coords - i) for i in range(places))
