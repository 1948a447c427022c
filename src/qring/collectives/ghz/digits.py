"""Digit readout: the binary digits of a sum, lowest first, one parity each.

For digit j every worker turns its qubit by 2π·xᵢ/2^(j+1), and worker 0 takes the digits already
known off again. What is left of the total phase is 0 or π, so the parity of the outcomes *is*
digit j. B copies a coordinate, exact at visibility 1; the transcript of a copy is uniform among
strings of its parity, so it tells the sum and nothing else. Where copies are noisy each digit is
repeated, by majority or until one value leads.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from enum import Enum

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
from qring.validate import check_enum

__all__ = [
    "MOST_COPIES",
    "Digits",
    "Repetition",
    "lead_needed",
    "majority_copies",
    "majority_digit",
    "majority_error",
]


MOST_COPIES = 1 << 16
"""Copies a digit beyond which repetition is refused: visibility .02 and less."""

_AT_ONCE = 1 << 22  # copies announced together, to bound memory
_SIGMAS, _RARE = 7, 7
"""Reserve over the mean of adaptive readouts, in standard deviations and in leads."""


class Repetition(Enum):
    """Repetition of a digit on noisy copies.

    ``MAJORITY`` takes a fixed odd number of copies at once. ``SEQUENTIAL`` takes copies one by
    one until one value leads by k; fewer copies on average, more rounds.
    """

    MAJORITY = "majority"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """Read every digit with the fewest copies that keep a coordinate's failure below ``failure``.

    Standing of the failure probability: exact where X and Y errors are equally likely, else a
    bound. At visibility 1 one copy a digit suffices and nothing fails.
    """

    failure: float = 1e-6
    repetition: Repetition = Repetition.MAJORITY

    def __post_init__(self) -> None:
        check_failure(self.failure)
        check_enum("repetition", self.repetition, Repetition)

    @property
    def block(self) -> int:
        """Coordinates that are best read together."""
        return 1 << 16

    @property
    def standing(self) -> str:
        """Of the failure probability."""
        return "bound"

    def wrong(self, coords: int, visibility: float) -> float:
        """Probability that any of ``coords`` sums is wrong, at most."""
        return any_of(coords, self.failure) if visibility < 1 else 0.0

    def read(self, batch: GhzBatch, sum_bits: int) -> Words:
        """Read all digits, lowest first; copies of one digit are measured in parallel."""
        wrong = (1 - check_visibility(batch.visibility)) / 2
        allowed = digit_failure(self.failure, sum_bits)
        sums = np.zeros(len(batch), np.uint64)
        for digit in range(sum_bits):
            if self.repetition is Repetition.MAJORITY:
                bits = majority_digit(batch, digit, sums, majority_copies(wrong, allowed))
            else:
                bits = _sequential(batch, digit, sums, lead_needed(wrong, allowed))
            set_digit(sums, digit, bits)
        return sums

    def reserve(self, coords: int, sum_bits: int, visibility: float) -> int:
        """Copies that suffice: fixed for a majority, with room for slow leads otherwise."""
        wrong = (1 - check_visibility(visibility)) / 2
        allowed = digit_failure(self.failure, sum_bits)
        digits = coords * sum_bits
        if self.repetition is Repetition.MAJORITY or wrong == 0:
            return digits * majority_copies(wrong, allowed)
        lead = lead_needed(wrong, allowed)
        # Steps until a walk of drift V and variance 1 − V² leads by k: mean k/V, variance
        # k(1−V²)/V³; the tail of a single one is exponential.
        spread = math.sqrt(digits * lead * (1 - visibility**2) / visibility**3)
        tail = _RARE * lead / visibility**2
        return math.ceil(digits * lead / visibility + _SIGMAS * spread + tail)


def majority_digit(batch: GhzBatch, digit: int, known: Words, copies: int) -> NDArray[np.uint8]:
    """Read one digit of every coordinate from ``copies`` copies each, announced at once."""
    if copies == 1:
        return batch.announce(digit, known).parities()
    odd = np.zeros(len(batch), np.int64)
    at_once = max(1, _AT_ONCE // len(batch))
    for start in range(0, copies, at_once):
        some = min(at_once, copies - start)
        everywhere = np.tile(np.arange(len(batch)), some)
        votes = batch.announce(digit, np.tile(known, some), everywhere).parities()
        odd += votes.reshape(some, -1).sum(axis=0, dtype=np.int64)
    return np.asarray(2 * odd > copies, np.uint8)


def _sequential(batch: GhzBatch, digit: int, known: Words, lead: int) -> NDArray[np.uint8]:
    ahead = np.zeros(len(batch), np.int64)
    open_ = np.arange(len(batch))
    while len(open_):
        odd = batch.announce(digit, known[open_], open_).parities()
        ahead[open_] += 2 * odd.astype(np.int64) - 1
        open_ = open_[np.abs(ahead[open_]) < lead]
    return (ahead > 0).astype(np.uint8)


@functools.lru_cache(maxsize=256)
def majority_copies(wrong: float, allowed: float) -> int:
    """Least odd number of copies whose majority errs with probability at most ``allowed``.

    ``wrong`` < ½ is the probability that one copy shows the other parity.

    Raises:
        InputError: more than ``MOST_COPIES``.
    """
    low, high = -1, 1  # too few, or none
    while majority_error(high, wrong) > allowed:
        low, high = high, 2 * high + 1
        if high > MOST_COPIES:
            raise InputError(
                f"at visibility {1 - 2 * wrong:.3g} a digit takes more than {MOST_COPIES:,} copies "
                f"to err with at most {allowed:.2g}; distil the copies, or allow more failures"
            )
    while high - low > 2:
        middle = (low + high) // 2 | 1
        middle -= 2 if middle == high else 0
        low, high = (low, middle) if majority_error(middle, wrong) <= allowed else (middle, high)
    return high


def majority_error(copies: int, wrong: float) -> float:
    """Probability that most of ``copies`` copies (odd) are wrong: P(Binomial > copies/2)."""
    if wrong == 0:
        return 0.0
    log_odds = math.log(wrong) - math.log1p(-wrong)
    base = copies * math.log1p(-wrong)
    log_choose = math.lgamma(copies + 1)
    return math.fsum(
        math.exp(
            log_choose - math.lgamma(k + 1) - math.lgamma(copies - k + 1) + base + k * log_odds
        )
        for k in range(copies // 2 + 1, copies + 1)
    )


def lead_needed(wrong: float, allowed: float) -> int:
    """Least lead k at which the leading value errs with at most ``allowed``: a random walk's exit.

    The error at lead k is 1/(1 + ((1−q)/q)^k), with q = ``wrong``.

    Raises:
        InputError: more than ``MOST_COPIES`` on average.
    """
    if wrong == 0:
        return 1
    lead = max(1, math.ceil(math.log((1 - allowed) / allowed) / math.log((1 - wrong) / wrong)))
    if lead / (1 - 2 * wrong) > MOST_COPIES:
        raise InputError(
            f"at visibility {1 - 2 * wrong:.3g} a digit takes more than {MOST_COPIES:,} copies to "
            f"err with at most {allowed:.2g}; distil the copies, or allow more failures"
        )
    return lead
