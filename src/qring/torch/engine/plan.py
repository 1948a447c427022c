"""One rank's share of a schedule, with the life of every message worked out beforehand.

A message travels in one message for as long as the schedule lets it: a rank adds to it, or copies
from it, and hands the same message on. A plan says for each departure whether the rank composes a
message, and from what, or hands on the one that it holds; and for each arrival what of its own the
rank adds, where it keeps the result, and whether it will hand the message on.

Ranks take a schedule's rounds in steps, in each of which a rank sends and receives at most one
message. All ranks take the same steps in the same order, and no rank's memory is held by others
for more than two messages from one step to the next; so nobody waits for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

__all__ = ["Arrival", "Departure", "Move", "Place", "Plan", "Run", "Snapshot", "Step"]


class Place(IntEnum):
    """Memory in which a chunk can lie: what a rank brings, what it takes home, or neither."""

    INPUT = 0
    OUTPUT = 1
    WORK = 2
    SNAPSHOT = 3


class Run(NamedTuple):
    """``span`` slots from ``slot`` on in one memory, holding chunks from ``chunk`` on."""

    place: Place
    slot: int
    chunk: int
    span: int


Runs = tuple[Run, ...]


class Snapshot(NamedTuple):
    """Copy slots before this round writes to them; a later step of the round reads the copy."""

    key: int
    runs: Runs


class Departure(NamedTuple):
    """Send a message to rank ``dst``: composed of ``runs``, or held and handed on.

    ``lend`` says that nothing writes to these slots before the message has been received, so that
    they may be read while it travels.
    """

    dst: int
    chunks: range
    handed: bool
    runs: Runs
    lend: bool


class Arrival(NamedTuple):
    """Take a message from rank ``src``.

    Add what lies in ``mine`` to it, if anything; put the result into ``home``, if anywhere; and
    ``hold`` the message, which is handed on in the next step.
    """

    src: int
    chunks: range
    mine: Runs
    home: Runs
    hold: bool


class Move(NamedTuple):
    """Within the rank: put what lies in ``source`` into ``home``, added to ``mine`` if any."""

    chunks: range
    source: Runs
    mine: Runs
    home: Runs


class Step(NamedTuple):
    """One rank's operations in one step: snapshots, departures, arrivals, moves."""

    departures: tuple[Departure, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    moves: tuple[Move, ...] = ()


class Plan(NamedTuple):
    """The steps of one rank, and the number of rounds that all ranks take together.

    ``widest`` is the number of chunks of the longest message. ``lends`` says that every departure
    of every rank may be lent, in one piece, and that no rank needs memory to work in. ``work``
    names the slots that need such memory, with the chunks that each may hold.
    """

    steps: tuple[Step, ...]
    rounds: int
    widest: int
    lends: bool
    work: Mapping[int, frozenset[int]]

    def timetable(self, windows: int, under_way: int) -> Iterator[tuple[int, Step]]:
        """Yield (number of the window, step) for a vector that travels in several windows.

        With more than one ``under_way``, a window sets out before the one ahead of it has
        arrived, so that a rank has something to do while a message travels. All ranks keep to
        the same order.
        """
        count = len(self.steps)
        lag = max(1, -(-count // under_way))
        for moment in range((windows - 1) * lag + count):
            first = max(0, -(-(moment - count + 1) // lag))
            for window in range(first, min(windows - 1, moment // lag) + 1):
                yield window, self.steps[moment - window * lag]
