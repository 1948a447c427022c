"""A linear checksum that finds wrong sums: one more coordinate, summed like the others.

With public random ρ_k < 2^t the workers also sum Σ_k ρ_k·x_k mod 2^(B+t). It must equal
Σ_k ρ_k·S_k, so it is a function of the sums and tells nothing more. A wrong set of sums passes with
probability at most 2^−t: the top digits' errors, 2^(B−1) each, cancel mod 2^B in pairs if every ρ
is odd and the sum is kept to B bits, which is why it is t bits wider.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qring.encoding.values import MAX_SUM_BITS
from qring.errors import InputError
from qring.network.ghz import Words
from qring.validate import check_whole

__all__ = ["Checksum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """Check every ``block`` coordinates with weights of ``bits`` bits; repeat blocks that fail.

    A wrong block passes an attempt with probability at most 2^−bits (exact). After ``attempts``
    failures the run aborts.
    """

    block: int = 8192
    bits: int = 16
    attempts: int = 8

    def __post_init__(self) -> None:
        for name in ("block", "bits", "attempts"):
            check_whole(name, getattr(self, name))
        if self.block < 1 or self.bits < 1 or self.attempts < 1:
            raise InputError("a checksum needs at least one coordinate, one bit and one attempt")

    def check_width(self, sum_bits: int) -> None:
        """Refuse sums that leave no room for the checksum's extra bits."""
        if sum_bits + self.bits > MAX_SUM_BITS:
            raise InputError(
                f"a checksum of {self.bits} bits over {sum_bits}-bit sums takes "
                f"{sum_bits + self.bits} bits, more than {MAX_SUM_BITS}; use smaller words, "
                "or fewer bits of checksum"
            )

    def weights(self, coords: int, rng: np.random.Generator) -> Words:
        """Draw the public ρ of one block, shape (coords,)."""
        return rng.integers(1 << self.bits, size=coords, dtype=np.uint64)

    def of(self, words: Words, weights: Words, sum_bits: int) -> Words:
        """Σ_k ρ_k·words_k mod 2^(B+t) along the last axis, kept as an axis of length 1."""
        mask = np.uint64((1 << (sum_bits + self.bits)) - 1)
        return np.asarray((words * weights).sum(axis=-1, keepdims=True, dtype=np.uint64) & mask)
