"""One rank's share of a schedule, with the life of every parcel worked out beforehand.

A message travels in one parcel for as long as the schedule lets it: a rank adds to it, or
copies from it, and hands the same parcel on. A plan says for each hop whether the rank must
compose a parcel or hands on the one it holds, and for each arrival whether the rank keeps a
copy and whether it will hand the parcel on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from qring.schedule.hops import Action, Round, share_of

__all__ = ["Arrival", "Departure", "Plan", "Step", "make_plan"]


class Departure(NamedTuple):
    """Send ``chunk`` to rank ``dst``; compose it first, or hand on the parcel that is held.

    ``received`` tells a chunk to compose apart: it came from elsewhere, so it is an output.
    """

    dst: int
    chunk: int
    compose: bool
    received: bool


class Arrival(NamedTuple):
    """Take ``chunk`` from rank ``src``; ``add`` our own to it; ``keep`` a copy; ``hold`` it."""

    src: int
    chunk: int
    add: bool
    keep: bool
    hold: bool


class Step(NamedTuple):
    """What a rank does in one round: departures first, then arrivals."""

    departures: tuple[Departure, ...]
    arrivals: tuple[Arrival, ...]


class Plan(NamedTuple):
    """The steps of one rank, and the number of rounds that all ranks take together."""

    steps: tuple[Step, ...]
    rounds: int

    def timetable(self, windows: int, under_way: int) -> Iterator[tuple[int, Step]]:
        """Yield (number of the window, step) for a vector that travels in several windows.

        With more than one ``under_way``, a window sets out before the one ahead of it has
        arrived, so that a rank has something to do while a message travels. All ranks keep to
        the same order. A window under way may hold two slots of a rank, one coming, one going.
        """
        count = len(self.steps)
        lag = max(1, -(-count // under_way))
        for moment in range((windows - 1) * lag + count):
            first = max(0, -(-(moment - count + 1) // lag))
            for window in range(first, min(windows - 1, moment // lag) + 1):
                yield window, self.steps[moment - window * lag]


def make_plan(
    rounds: Iterable[Round],
    position: int,
    rank_at: Callable[[int], int],
    chunk_at: Callable[[int], int],
    wanted: Callable[[int], bool],
) -> Plan:
    """Work out what a rank does in a schedule.

    ``position`` is where the rank sits in the schedule, ``rank_at`` and ``chunk_at`` translate the
    schedule's positions and chunks, ``wanted`` tells which chunks the rank is to end up with.
    """
    shares = tuple(share_of(position, rounds))
    events: dict[int, list[str]] = {}
    for hops in shares:
        for hop in (*_out(hops, position), *_in(hops, position)):
            what = "send" if hop.src == position else hop.action.value
            events.setdefault(hop.chunk, []).append(what)
    held: set[int] = set()
    received: set[int] = set()
    done = dict.fromkeys(events, 0)
    steps = []
    for hops in shares:
        departures, arrivals = [], []
        for hop in _out(hops, position):
            done[hop.chunk] += 1
            chunk = chunk_at(hop.chunk)
            compose = hop.chunk not in held
            departures.append(Departure(rank_at(hop.dst), chunk, compose, hop.chunk in received))
            held.discard(hop.chunk)
        for hop in _in(hops, position):
            done[hop.chunk] += 1
            chunk, later = chunk_at(hop.chunk), events[hop.chunk][done[hop.chunk] :]
            hold = bool(later) and later[0] == "send"
            if hold:
                held.add(hop.chunk)
            received.add(hop.chunk)
            keep = wanted(chunk) and Action.KEEP.value not in later
            arrivals.append(Arrival(rank_at(hop.src), chunk, hop.action is Action.ADD, keep, hold))
        steps.append(Step(tuple(departures), tuple(arrivals)))
    return Plan(tuple(steps), len(shares))


def _out(hops: Round, position: int) -> Round:
    return tuple(hop for hop in hops if hop.src == position)


def _in(hops: Round, position: int) -> Round:
    return tuple(hop for hop in hops if hop.dst == position)
