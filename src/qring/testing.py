"""Doubles for tests of one's own schedules: a link that is not there, and a recording executor.

schedule = Schedule(name="mine", collective=Collective.ALL_REDUCE, workers=2, chunks=1, make=...)
check(schedule)
recording = record(schedule, rows)
assert (recording.rows == rows.sum(axis=0)).all()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.scheduled import carry_out
from qring.encoding.formats import FloatFormat, WireFormat
from qring.errors import InputError
from qring.network.network import Network
from qring.network.run import Run
from qring.schedule.schedule import Schedule

__all__ = ["FakeLink", "Recording", "Sent", "record"]


@dataclass(slots=True, kw_only=True)
class FakeLink:
    """A link that charges nobody and remembers what it carried.

    ``spoil`` turns what is sent, an array of bytes, into what arrives; by default nothing is
    changed. ``bits`` counts the bits of all messages, ``messages`` holds them as they were sent.
    """

    spoil: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    bits: int = 0
    messages: list[NDArray[np.uint8]] = field(default_factory=list)

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Count the bits, remember the message and leave in it what arrives."""
        self.charge(bits)
        self.transmit(message, bits)

    def charge(self, bits: int) -> None:
        """Count the bits."""
        self.bits += bits

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Remember the message and leave in it what arrives."""
        self.messages.append(message.copy())
        if self.spoil is not None:
            message[:] = self.spoil(message)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sent:
    """One message of a recording: its round, its ends, the chunks and their values."""

    round: int
    src: int
    dst: int
    chunks: range
    summed: int
    values: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """``rows`` is what every worker holds at the end, shape (workers, coords)."""

    rows: NDArray[Any]
    messages: tuple[Sent, ...]
    rounds: int


def record(schedule: Schedule, rows: NDArray[Any], wire: WireFormat | None = None) -> Recording:
    """Carry out ``schedule`` on ``rows``, shape (workers, coords), and record every message.

    ``wire`` says how values travel; by default as the bits of their own type.

    Raises:
        InputError: not one row a worker.
    """
    if rows.ndim != 2 or len(rows) != schedule.workers:
        raise InputError(
            f"{schedule.name} is for {schedule.workers} workers: rows must have shape "
            f"({schedule.workers}, coords), not {rows.shape}"
        )
    wire = wire or FloatFormat(rows.dtype)
    links: dict[tuple[int, int], FakeLink] = {}

    def fake(_: Run, src: int, dst: int) -> FakeLink:
        return links.setdefault((src, dst), FakeLink())

    run = Network().open(schedule.workers)
    found = carry_out(schedule, rows, wire, run, fake)
    taken = dict.fromkeys(links, 0)
    sent = []
    for number, hops in enumerate(schedule.rounds):
        for hop in hops:
            if hop.src == hop.dst:
                continue
            ends = hop.src, hop.dst
            message = links[ends].messages[taken[ends]]
            taken[ends] += 1
            length = _length(rows.shape[1], schedule.chunks, hop.chunks)
            values = wire.unpack(message, length, hop.summed)
            sent.append(
                Sent(
                    round=number, src=hop.src, dst=hop.dst, chunks=hop.chunks, summed=hop.summed,
                    values=values,
                )
            )  # fmt: skip
    return Recording(rows=found, messages=tuple(sent), rounds=run.rounds)


def _length(coords: int, chunks: int, travelling: range) -> int:
    short, longer = divmod(coords, chunks)
    return sum(short + (chunk < longer) for chunk in travelling)
