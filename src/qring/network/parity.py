"""Outcomes of X measurements on GHZ copies, sampled with the whole transcript.

Only the parity of a copy's outcomes carries information: within a parity all strings are equally
likely. So a transcript is random bits for all workers but one, whose bit makes up the parity.
Outcomes are bit planes, one a worker, eight copies a byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Transcript", "coin_flips", "transcript_of"]

_COARSE = 256


class Transcript(NamedTuple):
    """Announced outcomes: ``planes`` of shape (workers, ⌈copies/8⌉), first copy highest."""

    planes: NDArray[np.uint8]
    copies: int

    def parities(self) -> NDArray[np.uint8]:
        """Parity of each copy's outcomes, shape (copies,), 0 or 1."""
        return np.unpackbits(np.bitwise_xor.reduce(self.planes, axis=0), count=self.copies)

    def outcomes(self) -> NDArray[np.uint8]:
        """Every worker's outcome of each copy, shape (workers, copies), 0 or 1."""
        return np.unpackbits(self.planes, axis=1, count=self.copies)

    def replaced(self, where: NDArray[np.int64], outcomes: NDArray[np.uint8]) -> Transcript:
        """The same, but with these ``outcomes``, shape (workers, len(where)), of some copies."""
        bits = self.outcomes()
        bits[:, where] = outcomes
        return Transcript(np.packbits(bits, axis=1), self.copies)


def transcript_of(
    parities: NDArray[np.uint8], workers: int, rng: np.random.Generator
) -> Transcript:
    """Draw a uniformly random transcript with these parities (0 or 1, shape (copies,))."""
    parity = np.packbits(parities)
    lanes = -(-len(parity) // 8)
    planes = np.empty((workers, lanes * 8), np.uint8)
    words = planes.view(np.uint64)
    words[1:] = rng.integers(1 << 64, size=(workers - 1, lanes), dtype=np.uint64)
    np.bitwise_xor.reduce(words[1:], axis=0, out=words[0])
    planes[0, : len(parity)] ^= parity
    return Transcript(planes[:, : len(parity)], len(parities))


def coin_flips(
    odds: float | NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw ``count`` independent bits that are 1 with probability ``odds``, one for all or each.

    A random byte decides all but one draw in 256; only those compare a second, fine draw.
    """
    scaled = np.asarray(odds, np.float64) * _COARSE
    threshold = np.minimum(np.floor(scaled), _COARSE - 1).astype(np.uint8)
    lanes = -(-count // 8)  # whole words are the cheapest random bytes by far
    draws = rng.integers(1 << 64, size=lanes, dtype=np.uint64).view(np.uint8)[:count]
    ones = (draws < threshold).view(np.uint8)
    undecided = np.flatnonzero(draws == threshold)
    # Within the undecided byte the rest of the odds is left: all of it where odds = 1.
    rest = scaled - threshold
    ones[undecided] = rng.random(len(undecided)) < (rest[undecided] if rest.ndim else rest)
    return ones
