"""Privacy promise, and the mechanism that keeps it: frozen values, ready to be agreed upon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from qring.encoding.values import BitBudget
from qring.errors import InputError
from qring.security.dp.discrete_gaussian import NARROWEST, WIDEST
from qring.security.dp.rotation import padded
from qring.security.dp.rounding import norm_bound
from qring.validate import check_enum, check_instance, check_probability, check_real, check_whole

__all__ = ["MARGIN", "Plan", "Promise", "Unit"]

MARGIN = 4.0
"""A sum may stray this many standard deviations from 0 before it wraps: k of Kairouz et al."""

_SPARED = 0.01  # share of δ that pays for examples whose difference rounds to more than its bound


class Unit(str, Enum):
    """Whose presence is hidden: a whole worker, or one example that a worker holds."""

    WORKER = "worker"
    EXAMPLE = "example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """(ε, δ) for everything that ``rounds`` sums tell, with and without one unit.

    Two inputs are neighbours if one unit's contribution is replaced by zero: a replacement by
    another is worth twice ``clip``, so about 2ε.

    Args:
        epsilon: positive.
        delta: in (0, 1); far below one over the number of units.
        clip: greatest L2 length of one unit's contribution to one sum; longer ones are shortened.
            Of examples the caller shortens them: a worker hands in the sum of shortened gradients.
        rounds: sums that any one unit contributes to.
        unit: what a neighbour differs in.
        examples: most examples that a worker adds up for one sum; 1 where the unit is a worker.
    """

    epsilon: float
    delta: float
    clip: float
    rounds: int = 1
    unit: Unit = Unit.WORKER
    examples: int = 1

    def __post_init__(self) -> None:
        check_real("ε", self.epsilon, above=0)
        check_probability("δ", self.delta, zero=False, one=False)
        check_real("the clipping length", self.clip, above=0)
        check_whole("rounds", self.rounds)
        check_whole("examples", self.examples)
        check_enum("unit", self.unit, Unit)
        if self.rounds < 1 or self.examples < 1:
            raise InputError(f"{self.rounds} rounds of {self.examples} examples tell nothing")
        if self.unit is Unit.WORKER and self.examples != 1:
            raise InputError("a worker that is hidden as a whole counts as one example")

    @property
    def row_length(self) -> float:
        """Greatest L2 length of what a worker hands in."""
        return self.clip * self.examples

    @property
    def beta(self) -> float:
        """Probability, a round, that an example's difference rounds to more than its bound."""
        return _SPARED * self.delta / self.rounds

    @property
    def delta_of_noise(self) -> float:
        """Part of δ that is left for the noise."""
        return self.delta * (1 - _SPARED) if self.unit is Unit.EXAMPLE else self.delta


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A distributed discrete Gaussian mechanism for sums of ``workers`` vectors of ``coords``.

    Workers round to multiples of ``step`` and add a discrete Gaussian of standard deviation
    ``local_std``, both in the gradient's units; sums are formed mod 2^``word_bits`` steps.
    ``may_drop`` workers' noise may be missing, because they are lost or dishonest.
    """

    promise: Promise
    workers: int
    may_drop: int
    coords: int
    word_bits: int
    step: float
    local_std: float

    def __post_init__(self) -> None:
        check_instance("promise", self.promise, Promise, "qring.Promise(epsilon=..., delta=...)")
        for name in ("workers", "may_drop", "coords", "word_bits"):
            check_whole(name, getattr(self, name), least=0)
        check_real("step", self.step, above=0)
        check_real("local_std", self.local_std, above=0)
        if not NARROWEST <= self.sigma <= WIDEST:
            raise InputError(
                f"noise of {self.sigma:.3g} steps is outside {NARROWEST}..2^40; use other word_bits"
            )

    @property
    def padded(self) -> int:
        """Words: coordinates padded to a power of two."""
        return padded(self.coords)

    @property
    def sigma(self) -> float:
        """Parameter of a worker's noise, in steps."""
        return self.local_std / self.step

    @property
    def sum_std(self) -> float:
        """Standard deviation of all workers' noise together, in the gradient's units."""
        return self.local_std * math.sqrt(self.workers)

    @property
    def fewest(self) -> int:
        """Workers without whose noise a sum must not be read."""
        return self.workers - self.may_drop

    @property
    def sensitivity(self) -> float:
        """Length in steps of what one unit changes; of an example's, but for β a round.

        A worker rounds again until its row is no longer. Two rows of a worker that differ in an
        example round, with the same coins, to integers whose difference is the example's
        contribution, rounded without bias: nothing is rounded again, and the bound fails seldom.
        """
        if self.promise.unit is Unit.WORKER:
            return norm_bound(self.promise.clip / self.step, self.padded)
        return norm_bound(self.promise.clip / self.step, self.padded, self.promise.beta)

    @property
    def longest_row(self) -> float:
        """Length in steps that no rounded row of a worker may exceed."""
        return self.sensitivity if self.promise.unit is Unit.WORKER else math.inf

    @property
    def budget(self) -> BitBudget:
        """Words wrap: a carry would tell more than the sum does."""
        return BitBudget(self.word_bits, 0, self.word_bits)

    def __str__(self) -> str:
        promise = self.promise
        times = "" if promise.rounds == 1 else f" over {promise.rounds} rounds"
        return (
            f"(ε={promise.epsilon:g}, δ={promise.delta:g}) for each {promise.unit.value}{times}, "
            f"clipped to {promise.clip:g}: {self.word_bits}-bit words of {self.step:.3g} mod "
            f"2^{self.word_bits}, {self.padded:,} for {self.coords:,} coordinates; noise "
            f"{self.local_std:.4g} a worker ({self.sigma:.0f} steps), {self.sum_std:.4g} in the sum"
        )
