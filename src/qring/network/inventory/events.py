"""A memory followed event by event: any policy, and the referee of the vectorised queue.

Births come before uses at the same moment, and a pair exactly as old as the cutoff can be used.
The loop is compiled where ``numba`` is installed (extra ``[codes]``), else it runs as it stands.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.network.inventory.arrivals import Arrivals
from qring.network.inventory.fates import Counts, Taken
from qring.network.memory.policy import Memory, OnFull, Order

__all__ = ["PairEvents", "in_loops"]

Times = NDArray[np.float64]
_AT_ONCE = 1 << 16


class PairEvents:
    """Pairs of one link, under any policy."""

    __slots__ = ("_ahead", "_arrivals", "_held", "_loop", "_made", "_memory", "counts")

    def __init__(self, arrivals: Arrivals, memory: Memory, *, compiled: bool = True) -> None:
        self._arrivals, self._memory = arrivals, memory
        self._loop = _compiled() if compiled else in_loops
        self._held: tuple[NDArray[np.int64], Times] = (np.empty(0, np.int64), np.empty(0))
        self._ahead: Times = np.empty(0)  # births looked at, but not reached
        self._made = 0
        self.counts = Counts()

    def advance(self, now_s: float, since_s: float) -> int:
        """Let time pass to ``now_s``; return how many pairs are held then."""
        piece = _AT_ONCE / self._arrivals.rate
        time = since_s
        while time < now_s:
            time = min(now_s, time + piece)
            self._run(0, time, 0.0, time)
        return len(self._held[0])

    def take(self, count: int, start_s: float, spacing_s: float) -> Taken:
        """Use ``count`` pairs, the first at ``start_s`` at the earliest, each a spacing later."""
        numbers, births, times = [], [], []
        at = start_s
        ahead, further = start_s, 16 / self._arrivals.rate
        while count:
            ahead = max(ahead, at)
            taken = self._run(min(count, _AT_ONCE), at, spacing_s, ahead)
            if len(taken.pairs):
                numbers.append(taken.pairs)
                births.append(taken.born_s)
                times.append(taken.used_s)
                count -= len(taken.pairs)
                at = float(taken.used_s[-1]) + spacing_s
                further = 16 / self._arrivals.rate
            else:
                further *= 2  # nothing is born for long
            ahead += max(spacing_s * min(count, _AT_ONCE), further)
        if not numbers:
            return Taken(np.empty(0, np.int64), np.empty(0), np.empty(0))
        return Taken(np.concatenate(numbers), np.concatenate(births), np.concatenate(times))

    def _run(self, count: int, at: float, spacing: float, until: float) -> Taken:
        memory = self._memory
        born = np.concatenate([self._ahead, self._arrivals.until(until)])
        inside = int(np.searchsorted(born, until, "right"))
        born, self._ahead = born[:inside], born[inside:]
        numbers = np.concatenate([self._held[0], np.arange(self._made, self._made + len(born))])
        times = np.concatenate([self._held[1], born])
        stack = np.empty(len(times), np.int64)
        used, when, tally = np.empty(count, np.int64), np.empty(count), np.zeros(4, np.int64)
        room = len(times) + 1 if memory.capacity is None else memory.capacity
        low, high, done, met = self._loop(
            times, len(self._held[0]), stack, count, at, spacing, until, room, memory.cutoff_s,
            memory.on_full is OnFull.DROP_NEW, memory.order is Order.FRESHEST_FIRST, used, when,
            tally,
        )  # fmt: skip
        kept, new = stack[low:high], met - len(self._held[0])
        self._held = numbers[kept], times[kept]
        self._ahead = np.concatenate([born[new:], self._ahead])
        self._made += new
        self.counts = self.counts + Counts(
            made=new, used=done, expired=int(tally[0]), overwritten=int(tally[1]),
            dropped=int(tally[2]),
        )  # fmt: skip
        return Taken(numbers[used[:done]], times[used[:done]], when[:done])


def in_loops(
    times: Times, held: int, stack: NDArray[np.int64], count: int, at: float, spacing: float,
    until: float, room: int, cutoff: float, drop_new: bool, freshest: bool,
    used: NDArray[np.int64], when: Times, tally: NDArray[np.int64],
) -> tuple[int, int, int, int]:  # fmt: skip
    """Serve uses until ``count`` are done or births up to ``until`` do not suffice.

    With a ``count`` of 0 time passes to ``until``. The first ``held`` of ``times`` are in memory
    already; ``tally`` counts expired, overwritten and dropped pairs. Returns where the held pairs
    lie in ``stack``, the uses done, and how many of ``times`` were met.
    """
    low, high, done = 0, 0, 0
    for k in range(held):
        stack[high] = k
        high += 1
    born, waits = held, count == 0
    while waits or done < count:
        if not waits and high > low:
            # Expired pairs do not serve, so look at the clock of this use first.
            oldest = low
            while oldest < high and times[stack[oldest]] + cutoff < at:
                oldest += 1
            ready = oldest < high
        else:
            ready = False
        arrives = born < len(times) and (times[born] <= at or waits or not ready)
        if arrives:
            now = times[born]
        elif not waits and ready and at <= until:
            now = at
        else:
            break
        while low < high and times[stack[low]] + cutoff < now:
            low += 1
            tally[0] += 1
        if arrives:
            if high - low == room:
                if drop_new:
                    tally[2] += 1
                    born += 1
                    continue
                low += 1
                tally[1] += 1
            stack[high] = born
            high += 1
            born += 1
            if not waits and not ready and now > at:
                at = now
            continue
        if freshest:
            high -= 1
            used[done] = stack[high]
        else:
            used[done] = stack[low]
            low += 1
        when[done] = at
        done += 1
        at += spacing
    while waits and low < high and times[stack[low]] + cutoff < until:
        low += 1
        tally[0] += 1
    return low, high, done, born


@functools.lru_cache(maxsize=1)
def _compiled() -> Callable[..., tuple[int, int, int, int]]:
    if importlib.util.find_spec("numba") is None:
        return in_loops
    import numba

    made: Any = numba.njit(in_loops, cache=True, nogil=True)
    loop: Callable[..., tuple[int, int, int, int]] = made
    return loop
