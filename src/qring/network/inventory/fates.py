"""Fates of pairs: each that is made has exactly one."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counts", "Taken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Pairs by fate, at one moment: ``made`` is the sum of all others.

    ``expired`` pairs had reached the cutoff, ``overwritten`` and ``dropped`` ones found no room,
    ``distilled`` ones were given up for better pairs, ``left`` ones wait in memory.
    """

    made: int = 0
    used: int = 0
    expired: int = 0
    overwritten: int = 0
    dropped: int = 0
    distilled: int = 0
    left: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Counts of two inventories together."""
        return Counts(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Counts)}
        )

    def __mul__(self, grain: int) -> Counts:
        """Counts of pairs, where these are of grains of so many."""
        return Counts(**{f.name: getattr(self, f.name) * grain for f in fields(Counts)})

    @property
    def is_conserved(self) -> bool:
        """Whether every pair has one fate."""
        lost = self.expired + self.overwritten + self.dropped + self.distilled
        return self.made == self.used + lost + self.left


class Taken(NamedTuple):
    """Pairs that were used, in order of use: identities, birth times and times of use, seconds.

    An identity is a pair's number among all that the link ever made.
    """

    pairs: NDArray[np.int64]
    born_s: NDArray[np.float64]
    used_s: NDArray[np.float64]

    @property
    def ages_s(self) -> NDArray[np.float64]:
        """Age of each pair at its use."""
        return self.used_s - self.born_s
