"""Whether the announced sums of masks are right, found out without telling a mask.

Each worker announces combinations of its masks by public coins, 0 or 1 times each mask, and hides
each combination by one more mask that is used for nothing else. Together these and the masks are an
invertible transform of perfect masks: what is announced tells its own sum only. That must be the
combination of the sums. If any sum is wrong, a combination misses it with probability at most ½:
whatever it shows without a wrong mask's coin, it shows otherwise with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qring.security.masks.terms import MaskTerms

__all__ = ["SumCheck"]

Words = NDArray[np.uint64]


class SumCheck:
    """Combinations of the masks of ``rows`` workers, gathered as the masks stream past."""

    __slots__ = ("_done", "_expected", "_rng", "_terms", "said")

    def __init__(self, terms: MaskTerms, rows: int, rng: np.random.Generator) -> None:
        self._terms, self._rng, self._done = terms, rng, 0
        self._expected = np.zeros(terms.checks, np.uint64)
        self.said = np.zeros((rows, terms.checks), np.uint64)

    def absorb(self, own: Words, total: Words) -> tuple[Words, Words]:
        """Take in the next masks, shape (rows, count), and sums; return those that may be used."""
        use = max(0, min(len(total), self._terms.masks - self._done))
        coins = self._coins(use)
        self.said += own[:, :use] @ coins
        self._expected += total[:use] @ coins
        if use < len(total):
            first = self._done + use - self._terms.masks
            hidden = slice(first, first + len(total) - use)
            self.said[:, hidden] += own[:, use:]
            self._expected[hidden] += total[use:]
        self._done += len(total)
        return own[:, :use], total[:use]

    def agrees_with(self, total: Words) -> bool:
        """Whether ``total``, the sum of what all workers said, is what the sums lead to expect."""
        low_bits = np.uint64((1 << self._terms.sum_bits) - 1)
        return not ((total - self._expected) & low_bits).any()

    def _coins(self, count: int) -> Words:
        """Public coins, shape (count, checks), drawn after the sums were announced."""
        flips = count * self._terms.checks
        drawn = np.frombuffer(self._rng.bytes(-(-flips // 8)), np.uint8)
        return np.unpackbits(drawn, count=flips).reshape(count, -1).astype(np.uint64)
