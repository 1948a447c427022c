"""The vocabulary of schedules: hops, rounds, and one worker's share of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Action", "Hop", "HopArrays", "Round", "share_of"]


class Action(Enum):
    """Action of the receiver on a message: add it to its own chunk, or keep it instead."""

    ADD = "add"
    KEEP = "keep"


class Hop(NamedTuple):
    """One message: worker ``src`` sends ``span`` chunks from ``chunk`` on to worker ``dst``.

    ``summed`` is the number of workers whose words the message already holds; it decides how
    wide a growing word must be.

    A chunk lies in the slot of its own number, unless ``reads`` or ``writes`` names the first of
    ``span`` other slots, at the sender and at the receiver: scratch, numbered after the chunks.
    A hop whose two ends are the same worker moves or adds within its memory and costs nothing.
    """

    src: int
    dst: int
    chunk: int
    summed: int
    action: Action
    span: int = 1
    reads: int | None = None
    writes: int | None = None

    @property
    def chunks(self) -> range:
        """The chunks that travel."""
        return range(self.chunk, self.chunk + self.span)

    @property
    def source(self) -> range:
        """The slots that are read at ``src``, in the order of the chunks."""
        first = self.chunk if self.reads is None else self.reads
        return range(first, first + self.span)

    @property
    def target(self) -> range:
        """The slots that are written at ``dst``, in the order of the chunks."""
        first = self.chunk if self.writes is None else self.writes
        return range(first, first + self.span)


class HopArrays(Sequence[Hop]):
    """A round as arrays: worker ``src[k]`` sends chunk ``chunk[k]`` to ``dst[k]``.

    All its hops hold as many summands and act alike, lie in their own chunks' slots, leave their
    worker, and write different slots. Iterating yields the hops one by one.
    """

    __slots__ = ("action", "chunk", "dst", "src", "summed")

    def __init__(
        self,
        src: NDArray[np.intp],
        dst: NDArray[np.intp],
        chunk: NDArray[np.intp],
        summed: int,
        action: Action,
    ) -> None:
        self.src, self.dst, self.chunk = src, dst, chunk
        self.summed, self.action = summed, action

    def __len__(self) -> int:
        return len(self.src)

    @overload
    def __getitem__(self, place: int) -> Hop: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Hop]: ...

    def __getitem__(self, place: int | slice) -> Hop | Sequence[Hop]:
        if isinstance(place, slice):
            return tuple(self)[place]
        src, dst, chunk = (int(column[place]) for column in (self.src, self.dst, self.chunk))
        return Hop(src, dst, chunk, self.summed, self.action)

    def __iter__(self) -> Iterator[Hop]:
        summed, action = self.summed, self.action
        ends = zip(self.src.tolist(), self.dst.tolist(), self.chunk.tolist(), strict=True)
        return (Hop(src, dst, chunk, summed, action) for src, dst, chunk in ends)


Round = Sequence[Hop]
"""Hops that happen at the same time. Every hop reads its chunks before any hop writes one.

Several hops may write to one slot in one round, in the order in which they stand here: the first
may keep what comes, the others add to it.
"""


def share_of(worker: int, rounds: Iterable[Round]) -> Iterator[Round]:
    """Yield, for every round, only the hops that ``worker`` sends or receives."""
    for hops in rounds:
        yield tuple(hop for hop in hops if worker in (hop.src, hop.dst))
