"""Inventory of one link: pairs are made, wait, age, are distilled and used, on one clock."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.hardware.profile import Profile
from qring.network.inventory.arrivals import Arrivals, Spacing, arrivals_of
from qring.network.inventory.distilling import Recipe, distil
from qring.network.inventory.events import PairEvents
from qring.network.inventory.fates import Counts, Taken
from qring.network.inventory.queue import PairQueue
from qring.network.memory.policy import Memory, OnFull, Order
from qring.network.noise import BellDiagonal
from qring.validate import check_whole

__all__ = ["Inventory", "Refined", "open_inventory"]


class Refined(NamedTuple):
    """Pairs left by distillation: when each is used, and its law then, shape (pairs, 4)."""

    used_s: NDArray[np.float64]
    weights: NDArray[np.float64]


class Inventory:
    """Pairs of one link, in use. Without ``arrivals`` there is a fresh pair whenever one is used.

    ``noise`` is the law at birth. Time only goes forward. Oldest-first use of a memory that
    overwrites is followed in whole arrays, other policies event by event.
    """

    __slots__ = ("_extra", "_pairs", "memory", "noise", "now_s")

    def __init__(
        self,
        arrivals: Arrivals | None,
        memory: Memory,
        noise: BellDiagonal,
        *,
        start_s: float = 0.0,
    ) -> None:
        self.memory, self.noise, self.now_s = memory, noise, start_s
        simple = memory.order is Order.OLDEST_FIRST and memory.on_full is OnFull.OVERWRITE_OLDEST
        self._pairs: PairQueue | PairEvents | None = None
        if arrivals is not None:
            self._pairs = PairQueue(arrivals, memory) if simple else PairEvents(arrivals, memory)
        self._extra = Counts()

    @property
    def is_endless(self) -> bool:
        """Whether there is always a fresh pair."""
        return self._pairs is None

    @property
    def counts(self) -> Counts:
        """Pairs by fate, up to now."""
        made = self._extra if self._pairs is None else self._pairs.counts + self._extra
        lost = made.expired + made.overwritten + made.dropped + made.distilled
        return replace(made, left=made.made - made.used - lost)

    def advance(self, now_s: float) -> int:
        """Let time pass; return how many pairs are held then.

        Raises:
            InputError: ``now_s`` lies before what was reached: the clock ran backwards.
        """
        self._forward(now_s)
        held = 0 if self._pairs is None else self._pairs.advance(now_s, self.now_s)
        self.now_s = now_s
        return held

    def take(self, count: int, start_s: float, spacing_s: float = 0.0) -> Taken:
        """Use ``count`` pairs from ``start_s`` on, a spacing apart or as they are born.

        Raises:
            InputError: a negative count or spacing, or a clock that ran backwards.
        """
        check_whole("the number of pairs", count, least=0)
        if not 0 <= spacing_s < math.inf:
            raise InputError(f"pairs are used a spacing of 0 s or more apart, not {spacing_s}")
        self._forward(start_s)
        if self._pairs is None:
            when = start_s + np.arange(count, dtype=np.float64) * spacing_s
            first = self._extra.used
            self._extra = self._extra + Counts(made=count, used=count)
            taken = Taken(np.arange(first, first + count), when, when)
        else:
            taken = self._pairs.take(count, start_s, spacing_s)
        self.now_s = float(taken.used_s[-1]) if count else start_s
        return taken

    def laws(self, taken: Taken, transit_s: float = 0.0) -> NDArray[np.float64]:
        """Weights (I, X, Y, Z) of pairs as they are measured, shape (pairs, 4).

        While one half travels for ``transit_s`` the other waits on in its memory.
        """
        ages = taken.ages_s
        return self.memory.decay.aged(self.noise, ages, ages + transit_s)

    def take_distilled(
        self, count: int, recipe: Recipe, start_s: float, spacing_s: float,
        rng: np.random.Generator, *, answer_s: float = 0.0, transit_s: float = 0.0,
    ) -> Refined:  # fmt: skip
        """Use ``count`` pairs, each distilled from as many as the recipe asks for when it is due.

        A group's pairs are compared when its last is there; both ends tell each other their bits
        in ``answer_s`` a round, in which survivors age. What fails is tried again with new pairs.

        Raises:
            InputError: as :meth:`take`.
        """
        used: list[NDArray[np.float64]] = []
        laws: list[NDArray[np.float64]] = []
        at = start_s
        while count:
            raw = self.take(count * recipe.pairs, at, 0.0)
            born = raw.born_s.reshape(count, recipe.pairs)
            ready = raw.used_s.reshape(born.shape).max(axis=1)
            late = ready[:, None] - born > self.memory.cutoff_s
            weights = self.memory.decay.aged(self.noise, (ready[:, None] - born).ravel())
            alive = ~late.any(axis=1)
            for _ in range(recipe.rounds):
                weights, success = distil(weights[::2], weights[1::2], recipe.recurrence)
                kept = rng.random(len(success)) < success
                alive &= kept.reshape(count, -1).all(axis=1)
                weights = self.memory.decay.aged_weights(weights, np.full(len(weights), answer_s))
            done = ready + recipe.rounds * answer_s
            good = int(alive.sum())
            lead = np.arange(good, dtype=np.float64) * spacing_s
            when = lead + np.maximum.accumulate(np.maximum(done[alive], at) - lead)
            waits = np.maximum(0.0, when - done[alive]) + transit_s  # rounding only
            used.append(when)
            laws.append(self.memory.decay.aged_weights(weights[alive], waits))
            expired = int(late.sum())
            lost = len(raw.pairs) - good - expired
            self._extra = self._extra + Counts(
                used=-len(raw.pairs) + good, distilled=lost, expired=expired
            )
            count -= good
            if good:
                at = float(when[-1]) + spacing_s
                self.now_s = max(self.now_s, float(when[-1]))
            at = max(at, self.now_s)
        if not used:
            return Refined(np.empty(0), np.empty((0, 4)))
        return Refined(np.concatenate(used), np.concatenate(laws))

    def _forward(self, now_s: float) -> None:
        if not math.isfinite(now_s) or now_s < self.now_s:
            raise InputError(
                f"the clock ran backwards: the inventory has reached {self.now_s:g} s, and "
                f"{now_s:g} s is asked for"
            )


def open_inventory(
    profile: Profile, rng: np.random.Generator | None, *, memory: Memory | None = None,
    spacing: Spacing = Spacing.RANDOM, start_s: float = 0.0,
) -> Inventory:  # fmt: skip
    """Inventory of one link of this hardware, empty at ``start_s``.

    Raises:
        InputError: pairs that cannot be stored, or a rate of 0.
    """
    kept = profile.memory() if memory is None else memory
    rate = profile.pairs_per_s.value
    if rate == math.inf:
        return Inventory(None, kept, profile.noise, start_s=start_s)
    if rate == 0:
        raise InputError(f"{profile.name} makes no pairs: its pairs_per_s is 0")
    births = arrivals_of(rate, spacing, rng, start_s)
    return Inventory(births, kept, profile.noise, start_s=start_s)
