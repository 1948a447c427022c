"""Non-adaptive readout: both quadratures at every scale, measured all at once.

No outcome has to be known before the next copy is encoded, so one round of announcements does.
The digits are decoded afterwards, lowest first: known digits predict the phase at the next scale
up to a half turn, and the counts tell which half.
Source: Kitaev's phase estimation, quant-ph/9511026, with the decoding done from the lowest digit.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.collectives.ghz.readout import (
    any_of,
    check_failure,
    check_visibility,
    digit_failure,
    set_digit,
)
from qring.errors import InputError
from qring.network.ghz import GhzBatch, Words

__all__ = ["Kitaev", "copies_each_quadrature"]

_MOST_COPIES = 1 << 10
_ANGLES = 33
"""Phases of the first octant, ends included, at which the error is computed; the rest mirror it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitaev:
    """Read all digits from copies encoded beforehand; ``failure`` is a coordinate's.

    Standing of the failure probability: exact binomial error at the worst of the phases computed.
    """

    failure: float = 1e-6

    def __post_init__(self) -> None:
        check_failure(self.failure)

    @property
    def block(self) -> int:
        """Coordinates that are best read together."""
        return 1 << 14

    @property
    def standing(self) -> str:
        """Of the failure probability."""
        return "bound"

    def wrong(self, coords: int, visibility: float) -> float:
        """Probability that any of ``coords`` sums is wrong, at most."""
        return any_of(coords, self.failure)

    def read(self, batch: GhzBatch, sum_bits: int) -> Words:
        """Tally every scale, then decode from the lowest digit up."""
        visibility = check_visibility(batch.visibility)
        copies = copies_each_quadrature(visibility, digit_failure(self.failure, sum_bits))
        counts = batch.tally(range(sum_bits), copies)
        sums = np.zeros(len(batch), np.uint64)
        for digit, (cosine, sine) in enumerate(counts):
            angle = sums * (math.pi / (1 << digit))
            lean = np.cos(angle) * (copies - 2 * cosine) + np.sin(angle) * (copies - 2 * sine)
            set_digit(sums, digit, (lean < 0).view(np.uint8))
        return sums

    def reserve(self, coords: int, sum_bits: int, visibility: float) -> int:
        """Copies that suffice, exactly."""
        copies = copies_each_quadrature(visibility, digit_failure(self.failure, sum_bits))
        return 2 * copies * coords * sum_bits


@functools.lru_cache(maxsize=64)
def copies_each_quadrature(visibility: float, allowed: float) -> int:
    """Least number of copies a quadrature with which a digit errs at most ``allowed``."""
    low, high = 0, 1
    while _worst_error(high, visibility) > allowed:
        low, high = high, 2 * high
        if high > _MOST_COPIES:
            raise InputError(
                f"at visibility {visibility:.3g} this readout takes more than {_MOST_COPIES:,} "
                f"copies a digit and quadrature to err with at most {allowed:.2g}; distil the "
                "copies, or choose the digit readout"
            )
    while high - low > 1:
        middle = (low + high) // 2
        if _worst_error(middle, visibility) > allowed:
            low = middle
        else:
            high = middle
    return high


def _worst_error(copies: int, visibility: float) -> float:
    """Largest probability over phases that the counts lean to the wrong half turn; ties count."""
    worst = 0.0
    leans = copies - 2.0 * np.arange(copies + 1)
    for angle in np.linspace(0, math.pi / 4, _ANGLES):
        c, s = math.cos(angle), math.sin(angle)
        joint = np.outer(_binomial(copies, (1 - visibility * c) / 2),
                         _binomial(copies, (1 - visibility * s) / 2))  # fmt: skip
        lean = c * leans[:, None] + s * leans[None, :]
        worst = max(worst, float(joint[lean <= 1e-9].sum()))
    return worst


def _binomial(trials: int, p: float) -> NDArray[np.float64]:
    """All probabilities of a binomial law, shape (trials+1,)."""
    if p <= 0:
        return np.concatenate([np.ones(1), np.zeros(trials)])
    k = np.arange(trials + 1)
    log_choose = np.array(
        [math.lgamma(trials + 1) - math.lgamma(i + 1) - math.lgamma(trials - i + 1) for i in k]
    )
    log_law = log_choose + k * math.log(p) + (trials - k) * math.log1p(-p)
    return np.asarray(np.exp(log_law), np.float64)
