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

_FACES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.uint64)
"""The eight coins that a number stands for."""


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
        self.said += self._combined(own[:, :use], coins)
        self._expected += self._combined(total[None, :use], coins)[0]
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

    def _combined(self, words: Words, coins: NDArray[np.intp]) -> Words:
        """Combine words, shape (rows, count), by the coins of each: shape (rows, checks).

        Words of equal coins are added first, in limbs whose sums double precision holds exactly.
        """
        combined = np.zeros((len(words), len(coins), 8), np.uint64)
        limb_bits = 52 - words.shape[1].bit_length()
        for low in range(0, self._terms.sum_bits, limb_bits):
            limbs = (words >> np.uint64(low)) & np.uint64((1 << limb_bits) - 1)
            for row, limb in enumerate(limbs.astype(np.float64)):
                for group, faces in enumerate(coins):
                    alike = np.bincount(faces, limb, minlength=256).astype(np.uint64)
                    combined[row, group] += (alike @ _FACES) << np.uint64(low)
        return combined.reshape(len(words), -1)[:, : self._terms.checks]

    def _coins(self, count: int) -> NDArray[np.intp]:
        """Public coins, eight to a number, shape (⌈checks/8⌉, count).

        They are drawn after the sums were announced.
        """
        groups = -(-self._terms.checks // 8)
        drawn = np.frombuffer(self._rng.bytes(groups * count), np.uint8)
        return drawn.reshape(groups, count).astype(np.intp)
