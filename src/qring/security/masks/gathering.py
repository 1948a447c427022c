"""Gathering, for the simulation, of words that live in different processes."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["EVERYBODY", "Gathering", "Words"]

Words = NDArray[np.uint64]


class Gathering(Protocol):
    """Gathering, for the simulation, of all workers' words, on whose sum the copies depend.

    ``own`` has a row for each worker that lives here. It is no part of the protocol.
    """

    def total(self, own: Words) -> Words:
        """Sum of all workers' words, mod 2^64."""

    def everyone(self, own: Words) -> Words:
        """All workers' words, a row each."""


class _Here:
    """All workers live in this process."""

    def total(self, own: Words) -> Words:
        return np.asarray(own.sum(axis=0, dtype=np.uint64))

    def everyone(self, own: Words) -> Words:
        return own


EVERYBODY: Gathering = _Here()
"""All workers live in this process."""
