"""Interface of all readouts: a batch of GHZ copies is turned into sums."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.ghz import GhzBatch, Words
from qring.validate import check_probability

__all__ = [
    "Readout",
    "any_of",
    "check_failure",
    "check_visibility",
    "digit_failure",
    "set_digit",
]


class Readout(Protocol):
    """A way to learn the sums of a batch. A frozen value."""

    @property
    def block(self) -> int:
        """Coordinates that are best read together."""

    @property
    def standing(self) -> str:
        """Standing of :meth:`wrong`: bound, asymptotic, or sampled, which takes a checksum."""

    def wrong(self, coords: int, visibility: float) -> float | None:
        """Probability that any of ``coords`` sums is wrong, at most; None if only measured."""

    def read(self, batch: GhzBatch, sum_bits: int) -> Words:
        """Estimate every coordinate's total mod 2^``sum_bits``, shape (coords,).

        Raises:
            InputError: the batch's visibility is too low to read anything.
        """

    def reserve(self, coords: int, sum_bits: int, visibility: float) -> int:
        """Copies that suffice for ``coords`` sums, but for a probability of 1e-9 if it adapts."""


def check_failure(failure: float) -> None:
    """Refuse a target failure probability outside (0, 1)."""
    check_probability("a failure probability", failure, zero=False, one=False)


def check_visibility(visibility: float) -> float:
    """Return a visibility that can be read, or refuse it."""
    if visibility <= 0:
        raise InputError(
            f"the copies' visibility is {visibility:.3g}: nothing can be read from them; "
            "lower the noise or the number of workers"
        )
    return visibility


def any_of(coords: int, failure: float) -> float:
    """Probability that any of ``coords`` independent sums is wrong, each with ``failure``."""
    return -math.expm1(coords * math.log1p(-failure))


def digit_failure(failure: float, digits: int) -> float:
    """Failure a digit that leaves ``digits`` digits together at ``failure``."""
    return -math.expm1(math.log1p(-failure) / digits)


def set_digit(sums: Words, digit: int, bits: NDArray[np.uint8]) -> None:
    """Write one binary digit of every sum, in place."""
    sums |= bits.astype(np.uint64) << np.uint64(digit)
