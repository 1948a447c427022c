"""Claims: their figures, how these are measured, and when they agree with predictions.

A claim is a frozen value. Its figures are either exact, computed once, or sampled in shards of
independent trials whose sums add up, so that shards can run anywhere and in any order.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from qring.errors import InputError, MissingExtraError

__all__ = [
    "Claim",
    "Effort",
    "Exact",
    "Figure",
    "Relation",
    "Sampled",
    "Standing",
    "Sums",
    "Verdict",
    "generator",
]

FALSE_ALARM = 1e-9
"""Probability that a sampled figure's interval misses the true value."""
_NORMAL_QUANTILE = 6.109  # of FALSE_ALARM, two-sided


class Standing(str, Enum):
    """Standing of a figure."""

    EXACT = "exact"
    BOUND = "bound"
    ASYMPTOTIC = "asymptotic"
    SAMPLED = "sampled"


class Verdict(str, Enum):
    """Judgement of a statement of the paper; definitions are not true or false."""

    HOLDS = "holds"
    CORRECTED = "holds as corrected"
    FAILS = "does not hold as stated"
    DEFINITION = "a definition"


class Relation(str, Enum):
    """Relation in which the measured value must stand to the predicted one."""

    EQUALS = "="
    AT_MOST = "≤"
    AT_LEAST = "≥"


class Effort(str, Enum):
    """Number of shards of a sampled figure that are drawn."""

    QUICK = "quick"
    FULL = "full"


class Sums(NamedTuple):
    """Trials, the sum of their values and of the squares; adds up over shards."""

    trials: int
    total: float
    squares: float

    def __add__(self, other: object) -> Sums:
        """Both shards together."""
        if not isinstance(other, Sums):
            return NotImplemented
        return Sums(
            self.trials + other.trials, self.total + other.total, self.squares + other.squares
        )

    @classmethod
    def of(cls, values: object) -> Sums:
        """Sums of an array of numbers or truth values."""
        array = np.asarray(values, np.float64).ravel()
        return cls(len(array), float(array.sum()), float(array @ array))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number beside its prediction, and beside the paper's number if it has one.

    ``low`` and ``high`` enclose the true value. ``agrees`` compares it with ``predicted``, what
    holds according to the verdict; ``paper_agrees`` with what the paper says.
    """

    name: str
    unit: str
    standing: Standing
    measured: float
    low: float
    high: float
    trials: int
    predicted: float
    relation: Relation
    agrees: bool
    paper: float | None = None
    paper_relation: Relation = Relation.EQUALS
    paper_agrees: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exact:
    """A figure that needs no luck: ``measured`` comes from a protocol, ``predicted`` from theory.

    ``tolerance`` is relative, for rounding or for a limit that is not quite reached. ``paper`` is
    the number in the paper, where it states one, and ``paper_relation`` how it states it.
    """

    name: str
    measured: Callable[[], float]
    predicted: Callable[[], float]
    unit: str = ""
    relation: Relation = Relation.EQUALS
    standing: Standing = Standing.EXACT
    tolerance: float = 1e-9
    paper: Callable[[], float] | None = None
    paper_relation: Relation = Relation.EQUALS

    def shards(self, effort: Effort) -> int:
        """One: there is nothing to repeat."""
        return 1

    def run(self, rng: np.random.Generator) -> Sums:
        """Measure; the generator is not used."""
        return Sums.of([float(self.measured())])

    def figure(self, sums: Sums) -> Figure:
        """Compare the measured value with the prediction."""
        value, predicted = sums.total, float(self.predicted())
        slack = self.tolerance * max(1.0, abs(predicted))
        paper = None if self.paper is None else float(self.paper())
        near = 0.0 if paper is None else self.tolerance * max(1.0, abs(paper))
        return Figure(
            name=self.name,
            unit=self.unit,
            standing=self.standing,
            measured=value,
            low=value,
            high=value,
            trials=0,
            predicted=predicted,
            relation=self.relation,
            agrees=_agrees(value - slack, value + slack, predicted, self.relation),
            paper=paper,
            paper_relation=self.paper_relation,
            paper_agrees=None
            if paper is None
            else _agrees(value - near, value + near, paper, self.paper_relation),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The mean of many trials. ``draw(rng, trials)`` runs a protocol and sums its outcomes.

    The interval holds the true mean but for :data:`FALSE_ALARM`: Clopper and Pearson's for truth
    values (exact), else a normal one (asymptotic).
    """

    name: str
    draw: Callable[[np.random.Generator, int], Sums]
    predicted: Callable[[], float]
    trials: int
    quick: int = 1
    full: int = 8
    unit: str = ""
    relation: Relation = Relation.EQUALS
    paper: Callable[[], float] | None = None
    paper_relation: Relation = Relation.EQUALS

    def shards(self, effort: Effort) -> int:
        """Shards to draw."""
        return self.quick if effort is Effort.QUICK else self.full

    def run(self, rng: np.random.Generator) -> Sums:
        """Draw one shard."""
        return self.draw(rng, self.trials)

    def figure(self, sums: Sums) -> Figure:
        """Compare the mean, with its interval, with the prediction."""
        low, high = _interval(sums)
        predicted = float(self.predicted())
        paper = None if self.paper is None else float(self.paper())
        return Figure(
            name=self.name,
            unit=self.unit,
            standing=Standing.SAMPLED,
            measured=sums.total / sums.trials,
            low=low,
            high=high,
            trials=sums.trials,
            predicted=predicted,
            relation=self.relation,
            agrees=_agrees(low - 1e-12, high + 1e-12, predicted, self.relation),
            paper=paper,
            paper_relation=self.paper_relation,
            paper_agrees=None
            if paper is None
            else _agrees(low - 1e-12, high + 1e-12, paper, self.paper_relation),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One statement of the paper: what it says, what is checked, and what became of it.

    ``corrected`` is the statement that does hold, where the paper's does not; ``open_`` says what
    the figures do not show.
    """

    id: str
    source: str
    title: str
    says: str
    checked: str
    standing: Standing
    verdict: Verdict
    figures: tuple[Exact | Sampled, ...]
    corrected: str = ""
    open_: str = ""
    see: str = ""

    def __post_init__(self) -> None:
        wrong = self.verdict in (Verdict.CORRECTED, Verdict.FAILS)
        if wrong != bool(self.corrected):
            raise InputError(f"{self.id}: a statement is corrected if and only if it needs to be")
        if not self.figures:
            raise InputError(f"{self.id}: nothing is measured")

    def check(self, seed: int, effort: Effort) -> tuple[Figure, ...]:
        """Measure every figure here and now."""
        found = []
        for index, figure in enumerate(self.figures):
            runs = (
                figure.run(generator(seed, self.id, index, shard))
                for shard in range(figure.shards(effort))
            )
            found.append(figure.figure(sum(runs, start=Sums(0, 0.0, 0.0))))
        return tuple(found)


def generator(seed: int, name: str, index: int, shard: int) -> np.random.Generator:
    """Source of randomness of one shard: the same wherever and whenever it runs."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index, shard])


def _agrees(low: float, high: float, predicted: float, relation: Relation) -> bool:
    above, below = high >= predicted, low <= predicted
    if relation is Relation.EQUALS:
        return above and below
    return below if relation is Relation.AT_MOST else above


def _interval(sums: Sums) -> tuple[float, float]:
    trials, total, squares = sums
    mean = total / trials
    if squares == total:
        return _clopper_pearson(round(total), trials)
    variance = max(0.0, squares / trials - mean**2)
    half = _NORMAL_QUANTILE * math.sqrt(variance / trials)
    return mean - half, mean + half


def _clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    try:
        from scipy.special import betaincinv
    except ImportError:
        raise MissingExtraError("the interval of a sampled figure", "reproduce") from None
    tail = FALSE_ALARM / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = 1 - float(betaincinv(trials - hits, hits + 1, tail)) if hits < trials else 1.0
    return low, high
