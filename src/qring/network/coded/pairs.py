"""Error labels of the pairs that a batch of frames rides on, drawn from their law."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.noise import BellDiagonal

__all__ = [
    "AgedPairs",
    "AlikePairs",
    "Disturbance",
    "GuessedPairs",
    "Labels",
    "PairSource",
    "law_of",
]

Labels = NDArray[np.uint8]
"""A label a pair: 2a + b where the first of its bits is flipped if a, the second if b."""

_LANES = np.array([6, 4, 2, 0], np.uint8)


class PairSource(Protocol):
    """Source of a link's pairs, in order of use."""

    def take(self, count: int) -> tuple[Labels, NDArray[np.float64]]:
        """Errors of the next ``count`` pairs, and what is known of their law.

        The law is probabilities by label, shape (4,) for all pairs or (4, count), one each.
        """


class Disturbance(Protocol):
    """Errors of pairs on a frame of four a byte, as an engine simulates them."""

    def disturb(self, frame: NDArray[np.uint8], pairs: int) -> None:
        """XOR the errors of ``pairs`` pairs onto ``frame``."""


@dataclass(frozen=True, slots=True)
class AlikePairs:
    """Pairs of one law, without end."""

    noise: BellDiagonal
    errors: Disturbance

    def take(self, count: int) -> tuple[Labels, NDArray[np.float64]]:
        """Errors of the next pairs, and the law of all of them."""
        frame = np.zeros(-(-count // 4), np.uint8)
        self.errors.disturb(frame, count)
        labels = (frame[:, None] >> _LANES & np.uint8(3)).reshape(-1)[:count]
        return labels, law_of(self.noise)


@dataclass(frozen=True, slots=True)
class GuessedPairs:
    """Pairs whose law nobody knows, decoded as if they had this ``noise``."""

    pairs: PairSource
    noise: BellDiagonal

    def take(self, count: int) -> tuple[Labels, NDArray[np.float64]]:
        """Errors of the next pairs, and the guess."""
        return self.pairs.take(count)[0], law_of(self.noise)


class AgedPairs:
    """Pairs of unequal fidelity, as a memory hands them out: each decodes by its own law.

    ``weights`` are probabilities of (I, X, Y, Z), shape (pairs, 4), in order of use.
    """

    __slots__ = ("_law", "_rng", "_used")

    def __init__(self, weights: NDArray[np.float64], rng: np.random.Generator) -> None:
        if weights.ndim != 2 or weights.shape[1] != 4:
            raise InputError(f"pairs have weights of shape (pairs, 4), not {weights.shape}")
        if not ((weights >= 0).all() and np.allclose(weights.sum(axis=1), 1, atol=1e-9)):
            raise InputError("a pair's four weights are probabilities that add up to 1")
        self._law = weights.T[[0, 1, 3, 2]]
        self._rng, self._used = rng, 0

    def take(self, count: int) -> tuple[Labels, NDArray[np.float64]]:
        """Errors and laws of the next pairs.

        Raises:
            InputError: fewer pairs are left.
        """
        left = self._law.shape[1] - self._used
        if count > left:
            raise InputError(f"a message takes {count} pairs, but {left} are left")
        law = self._law[:, self._used : self._used + count]
        self._used += count
        draws = self._rng.random(count)
        labels = (draws >= np.cumsum(law[:3], axis=0)).sum(axis=0).astype(np.uint8)
        return labels, law


def law_of(noise: BellDiagonal) -> NDArray[np.float64]:
    """Probabilities by label, shape (4,): none, X flips the second bit, Z the first, Y both."""
    i, x, y, z = noise.weights
    return np.array([i, x, z, y])
