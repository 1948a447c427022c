"""Oldest-first use of a memory that overwrites its oldest pairs, in whole arrays.

What such a memory holds is always an unbroken run of the births: pair i is gone at its deadline,
which is when it reaches the cutoff or when pair i + capacity is born. Use k at time u takes pair
max(first with deadline ≥ u, the last one used + 1): a running maximum. Where the memory is empty,
use k waits: u_k = max(u_(k−1) + spacing, birth of its pair), a running maximum again.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qring.network.inventory.arrivals import Arrivals
from qring.network.inventory.fates import Counts, Taken
from qring.network.memory.policy import Memory

__all__ = ["PairQueue"]

Times = NDArray[np.float64]
_AT_ONCE = 1 << 20


class PairQueue:
    """Pairs of one link, used oldest first; a full memory overwrites its oldest."""

    __slots__ = ("_arrivals", "_born", "_capacity", "_cutoff", "_first", "counts")

    def __init__(self, arrivals: Arrivals, memory: Memory) -> None:
        self._arrivals = arrivals
        self._capacity = memory.capacity
        self._cutoff = memory.cutoff_s
        self._born: Times = np.empty(0)  # pairs from number _first on
        self._first = 0
        self.counts = Counts()

    def advance(self, now_s: float, since_s: float) -> int:
        """Let time pass to ``now_s``; return how many pairs are held then."""
        piece = now_s - since_s
        if self._arrivals.rate * piece > _AT_ONCE:
            piece = _AT_ONCE / self._arrivals.rate
        time = since_s
        while time < now_s:
            time = min(now_s, time + piece)
            self._append(self._arrivals.until(time))
            self._discard(self._first_alive(time), time)
        return len(self._born)

    def take(self, count: int, start_s: float, spacing_s: float) -> Taken:
        """Use ``count`` pairs, the first at ``start_s`` at the earliest, each a spacing later."""
        numbers, births, times = [], [], []
        at = start_s
        while count:
            some = min(count, _AT_ONCE)
            used, when = self._from_stock(some, at, spacing_s)
            if not len(used):
                used, when = self._as_born(some, at, spacing_s)
            numbers.append(used + self._first)
            births.append(self._born[used])
            times.append(when)
            self._consume(used, when)
            count -= len(used)
            at = float(when[-1]) + spacing_s
        if len(numbers) == 1:
            return Taken(numbers[0], births[0], times[0])
        if not numbers:
            return Taken(np.empty(0, np.int64), np.empty(0), np.empty(0))
        return Taken(np.concatenate(numbers), np.concatenate(births), np.concatenate(times))

    def _from_stock(self, count: int, at: float, spacing: float) -> tuple[NDArray[np.int64], Times]:
        """Uses that need not wait, as many as there are in a row."""
        last = at + (count - 1) * spacing
        self._append(self._arrivals.until(last))
        some = min(count, len(self._born))
        step = np.arange(some, dtype=np.int64)
        when: Times = at + step.astype(np.float64) * spacing
        if self._capacity is None and self._cutoff == math.inf:
            used = step
        else:
            alive = np.searchsorted(self._deadlines(), when, "left")
            used = step + np.maximum.accumulate(alive - step)
        inside = int(np.searchsorted(used, len(self._born)))
        ready = self._born[used[:inside]] <= when[:inside]
        stop = inside if ready.all() else int(np.argmin(ready))
        return used[:stop].astype(np.int64), when[:stop]

    def _as_born(self, count: int, at: float, spacing: float) -> tuple[NDArray[np.int64], Times]:
        """Uses of a memory that is empty at ``at``: each waits for its pair."""
        head = self._first_alive(at)
        missing = head + count - len(self._born)
        if missing > 0:
            self._append(self._arrivals.next(missing))
        used = np.arange(head, head + count, dtype=np.int64)
        lead = np.arange(count, dtype=np.float64) * spacing
        when: Times = lead + np.maximum.accumulate(np.maximum(self._born[used], at) - lead)
        np.maximum(when, self._born[used], out=when)  # against rounding
        self._append(self._arrivals.until(float(when[-1])))
        if self._capacity is not None or self._cutoff != math.inf:
            alive = self._deadlines()[used] >= when
            if not alive.all():
                stop = max(1, int(np.argmin(alive)))
                used, when = used[:stop], when[:stop]
        return used, when

    def _deadlines(self) -> Times:
        """Last moment at which each pair held can be used."""
        born, room = self._born, self._capacity
        deadlines = born + self._cutoff
        if room is not None and len(born) > room:
            early = deadlines[: len(born) - room]
            np.minimum(early, np.nextafter(born[room:], -np.inf), out=early)
        return deadlines

    def _first_alive(self, now: float) -> int:
        if self._capacity is None and self._cutoff == math.inf:
            return 0
        return int(np.searchsorted(self._deadlines(), now, "left"))

    def _append(self, born: Times) -> None:
        if len(born):
            self._born = np.concatenate([self._born, born]) if len(self._born) else born
            self._count(made=len(born))

    def _consume(self, used: NDArray[np.int64], when: Times) -> None:
        """Book what was used, and what was passed over since it was dead by then."""
        head = int(used[-1]) + 1
        passed = np.ones(head, np.bool_)
        passed[used] = False
        self._book_dead(np.flatnonzero(passed))
        self._count(used=len(used))
        self._born = self._born[head:]
        self._first += head

    def _discard(self, head: int, now: float) -> None:
        if head:
            self._book_dead(np.arange(head))
            self._born = self._born[head:]
            self._first += head

    def _book_dead(self, dead: NDArray[np.int64]) -> None:
        if not len(dead):
            return
        room = self._capacity
        overwritten = 0
        if room is not None:
            follower = dead + room
            held = follower < len(self._born)
            late = self._born[dead[held]] + self._cutoff
            overwritten = int((self._born[follower[held]] <= late).sum())
        self._count(overwritten=overwritten, expired=len(dead) - overwritten)

    def _count(self, **more: int) -> None:
        self.counts = self.counts + Counts(**more)
