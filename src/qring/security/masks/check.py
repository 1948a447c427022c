"""Whether the announced sums of masks are right, found out without telling a mask.

When all sums are public, and only then, public coins draw a point ζ of GF(2^m). Each worker hashes
its masks by the powers of ζ (:mod:`qring.security.masks.powers`) and hides the hash by m masks that
are used for nothing else: with these, what is announced is an invertible transform of perfect masks
and tells its own sum only. That sum must be what the public sums lead to.

All commit to their hashes before anybody opens one. If all workers are honest, wrong sums pass with
probability at most k/2^m. Against a coalition the commitments (as hard to break as SHA-256) take
away that who speaks last makes any sums pass; she passes only if she guesses the honest workers'
sum. They do not make her words right: to the others her mask is whatever the sums leave for it, as
in every sum that she takes part in.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from qring.security.masks.gathering import Words
from qring.security.masks.powers import HashSize, PowerHash

__all__ = ["SumCheck"]

Parts = Iterable[tuple[Words, Words]]
"""Masks, shape (rows, count), and their sums, in order."""


class SumCheck:
    """Hashes of ``masks`` masks of ``rows`` workers; the masks that hide them come after these."""

    __slots__ = ("_done", "_expected", "_hidden", "_masks", "_size", "_sum_bits")

    def __init__(self, masks: int, sum_bits: int, size: HashSize, rows: int) -> None:
        self._masks, self._sum_bits, self._size = masks, sum_bits, size
        self._done = 0
        self._hidden = np.zeros((rows + 1, size.rows), np.uint64)  # the last row is of the sums
        self._expected = self._hidden[-1]

    def absorb(self, own: Words, total: Words) -> tuple[Words, Words]:
        """Take the hiding masks out of the next ones, shape (rows, count); return the others."""
        use = max(0, min(len(total), self._masks - self._done))
        if use < len(total):
            first = self._done + use - self._masks
            here = slice(first, first + len(total) - use)
            self._hidden[:-1, here] = own[:, use:]
            self._hidden[-1, here] = total[use:]
        self._done += len(total)
        return own[:, :use], total[:use]

    def said(self, parts: Parts, coins: np.random.Generator) -> Words:
        """Draw the point, and say what each worker announces, shape (rows, m)."""
        chosen = PowerHash(self._size, self._size.drawn(coins), self._sum_bits)
        hashed, first = self._hidden.copy(), 1
        for own, total in parts:
            hashed += chosen.combine(np.concatenate([own, total[None]]), first=first)
            first += len(total)
        hashed &= np.uint64((1 << self._sum_bits) - 1)
        self._expected = hashed[-1]
        return hashed[:-1]

    def agrees_with(self, total: Words) -> bool:
        """Whether ``total``, the sum of what all workers said, is what the sums lead to."""
        low_bits = np.uint64((1 << self._sum_bits) - 1)
        return not ((total - self._expected) & low_bits).any()
