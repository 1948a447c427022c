"""Birth times of pairs on one link: random, regular, or heralded attempt by attempt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.generation.generated import Generated
from qring.validate import check_enum, check_real

__all__ = ["Arrivals", "Births", "Spacing", "arrivals_of", "attempts"]

Times = NDArray[np.float64]
_PIECE = 1 << 20


class Spacing(Enum):
    """Arrival process of pairs. ``RANDOM``: a Poisson process. ``REGULAR``: evenly."""

    RANDOM = "random"
    REGULAR = "regular"


class Births(Protocol):
    """Source of birth times, in order."""

    def more(self, count: int) -> Times:
        """The next ``count`` birth times."""

    @property
    def rate(self) -> float:
        """Mean births a second."""

    def restart(self, start_s: float) -> None:
        """Begin again, with the first attempt at ``start_s``."""


class Arrivals:
    """Birth times from a source, looked at as far ahead as somebody needs."""

    __slots__ = ("_ahead", "_births")

    def __init__(self, births: Births) -> None:
        self._births = births
        self._ahead: Times = np.empty(0)

    @property
    def rate(self) -> float:
        """Mean births a second."""
        return self._births.rate

    def until(self, time_s: float) -> Times:
        """Take all births up to and including ``time_s`` that were not taken before."""
        taken = []
        while True:
            cut = int(np.searchsorted(self._ahead, time_s, "right"))
            taken.append(self._ahead[:cut])
            self._ahead = self._ahead[cut:]
            if len(self._ahead):
                return taken[0] if len(taken) == 1 else np.concatenate(taken)
            last = taken[-1][-1] if len(taken[-1]) else 0.0
            expected = (time_s - last) * self.rate
            self._ahead = self._births.more(int(min(_PIECE, max(64, 1.1 * expected + 64))))

    def pause(self, until_s: float) -> None:
        """Make no pairs before ``until_s``, from the last birth that was taken on."""
        self._births.restart(until_s)
        self._ahead = np.empty(0)

    def next(self, count: int) -> Times:
        """Take the next ``count`` births."""
        while len(self._ahead) < count:
            missing = count - len(self._ahead)
            self._ahead = np.concatenate([self._ahead, self._births.more(max(64, missing))])
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken


@dataclass(slots=True)
class _Process:
    rate: float
    spacing: Spacing
    rng: np.random.Generator | None
    last_s: float

    def more(self, count: int) -> Times:
        if self.spacing is Spacing.REGULAR or self.rng is None:
            times = self.last_s + np.arange(1, count + 1) / self.rate
        else:
            times = self.rng.standard_exponential(count)
            times /= self.rate
            times[0] += self.last_s
            np.cumsum(times, out=times)
        self.last_s = float(times[-1])
        return times

    def restart(self, start_s: float) -> None:
        self.last_s = start_s


@dataclass(slots=True)
class _Attempts:
    made: Generated
    rng: np.random.Generator
    start_s: float
    trials: int = 0

    @property
    def rate(self) -> float:
        return self.made.pairs_per_s

    def more(self, count: int) -> Times:
        gaps = self.rng.geometric(self.made.success, count)
        trial = self.trials + np.cumsum(gaps)
        self.trials = int(trial[-1])
        slots = (trial - 1) // self.made.modes + 1
        return np.asarray(self.start_s + slots * self.made.attempt_s)

    def restart(self, start_s: float) -> None:
        self.start_s, self.trials = start_s, 0


def arrivals_of(
    pairs_per_s: float, spacing: Spacing, rng: np.random.Generator | None, start_s: float = 0.0
) -> Arrivals:
    """Births at a mean rate from ``start_s`` on.

    Raises:
        InputError: a rate that is not positive and finite, or random births without a generator.
    """
    check_real("pairs_per_s", pairs_per_s, above=0)
    check_enum("spacing", spacing, Spacing)
    if spacing is Spacing.RANDOM and rng is None:
        raise InputError("births are random: pass rng=numpy.random.default_rng(...)")
    return Arrivals(_Process(pairs_per_s, spacing, rng, start_s))


def attempts(made: Generated, rng: np.random.Generator, start_s: float = 0.0) -> Arrivals:
    """Births attempt by attempt: each of a link's modes succeeds at the end of one, or not.

    Raises:
        InputError: attempts that never succeed, or pairs that cannot wait.
    """
    if made.post_selected:
        raise InputError("post-selected pairs are gone once they are known of: none can wait")
    if not made.success > 0 or not math.isfinite(made.pairs_per_s):
        raise InputError(f"attempts succeed with probability {made.success}: no pair is ever born")
    return Arrivals(_Attempts(made, rng, start_s))
