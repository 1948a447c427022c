"""Selection of the copies that an adversary tampers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.validate import check_able, check_probability, check_whole

__all__ = ["Aim", "Every", "RandomCopies", "These", "check_aim"]


class Aim(Protocol):
    """A choice among the copies ``first`` … ``first + count − 1``, numbered from 0; ascending."""

    def choose(self, first: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of the chosen copies, less ``first``."""


def check_aim(aim: Aim) -> None:
    """Refuse what chooses no copies."""
    check_able("aim", aim, ("choose",), "an aim such as Every() or These((0,))")


@dataclass(frozen=True, slots=True)
class Every:
    """All copies."""

    def choose(self, first: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """All of them."""
        return np.arange(count)


@dataclass(frozen=True, slots=True)
class These:
    """The copies with these numbers, counted as they are shared."""

    numbers: tuple[int, ...]

    def __post_init__(self) -> None:
        for number in self.numbers:
            check_whole("the number of a copy", number, least=0)

    def choose(self, first: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Those of them that are here."""
        here = np.unique(np.asarray(self.numbers, np.int64)) - first
        return np.asarray(here[(here >= 0) & (here < count)], np.int64)


@dataclass(frozen=True, slots=True)
class RandomCopies:
    """A share of all copies: each one with probability ``share``."""

    share: float

    def __post_init__(self) -> None:
        check_probability("a share of copies", self.share)

    def choose(self, first: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Choose each copy by a coin of its own."""
        number = int(rng.binomial(count, self.share))
        return np.sort(rng.choice(count, number, replace=False, shuffle=False))
