"""A schedule as a value: what a collective brings together, and the rounds that do it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from qring.errors import InputError
from qring.schedule.hops import Round

__all__ = ["Collective", "Schedule"]


class Collective(Enum):
    """Collective of a schedule: who brings each chunk, and who must hold its sum in the end."""

    ALL_REDUCE = "all-reduce"
    REDUCE_SCATTER = "reduce-scatter"
    ALL_GATHER = "all-gather"
    BROADCAST = "broadcast"
    REDUCE = "reduce"
    GATHER = "gather"
    SCATTER = "scatter"
    ALL_TO_ALL = "all-to-all"

    @property
    def has_root(self) -> bool:
        """Whether one worker has a part of its own."""
        return self in _ROOTED


_ROOTED = (Collective.BROADCAST, Collective.REDUCE, Collective.GATHER, Collective.SCATTER)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Schedule:
    """Rounds of hops that carry out ``collective`` among ``workers`` over ``chunks`` chunks.

    ``make`` returns the rounds, the same each time. ``owners[k]`` is the worker that ends up with
    chunk k of a reduce-scatter or scatter, and that brings it to an all-gather or gather; ``root``
    is that of a broadcast, reduce, gather or scatter. Chunks of an all-to-all go from worker i to
    worker j in blocks, i·n+j being the number of the block. ``scratch`` is the number of slots
    beyond the chunks. ``helpers`` are nodes numbered after the workers that bring and take
    nothing, like a server.

    Raises:
        InputError: sizes or workers that do not fit together.
    """

    name: str
    collective: Collective
    workers: int
    chunks: int
    make: Callable[[], Iterable[Round]]
    owners: tuple[int, ...] = ()
    root: int = 0
    scratch: int = 0
    helpers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 1 or self.chunks < 1:
            raise InputError(
                f"a schedule needs at least 1 worker and 1 chunk, not {self.workers} and "
                f"{self.chunks}"
            )
        if not 0 <= self.root < self.workers:
            raise InputError(f"root {self.root} is not one of the workers 0..{self.workers - 1}")
        if self.collective in _OWNED and (
            len(self.owners) != self.chunks
            or not all(0 <= owner < self.workers for owner in self.owners)
        ):
            raise InputError(f"{self.collective.value} needs an owner for each chunk")
        if self.collective is Collective.ALL_TO_ALL and self.chunks % self.workers**2:
            raise InputError(
                f"all-to-all among {self.workers} takes a multiple of {self.workers**2} chunks"
            )

    @property
    def nodes(self) -> int:
        """Workers and helpers."""
        return self.workers + self.helpers

    @property
    def rounds(self) -> Iterator[Round]:
        """The rounds, in order."""
        return iter(self.make())

    def bringers(self, chunk: int) -> frozenset[int]:
        """Workers whose contributions the sum of a chunk is made of."""
        kind = self.collective
        if kind in (Collective.ALL_REDUCE, Collective.REDUCE_SCATTER, Collective.REDUCE):
            return frozenset(range(self.workers))
        if kind in (Collective.ALL_GATHER, Collective.GATHER):
            return frozenset((self.owners[chunk],))
        if kind is Collective.ALL_TO_ALL:
            return frozenset((chunk * self.workers // self.chunks,))
        return frozenset((self.root,))

    def takers(self, chunk: int) -> frozenset[int]:
        """Workers that must hold the sum of a chunk in the end."""
        kind = self.collective
        if kind in (Collective.ALL_REDUCE, Collective.ALL_GATHER, Collective.BROADCAST):
            return frozenset(range(self.workers))
        if kind in (Collective.REDUCE_SCATTER, Collective.SCATTER):
            return frozenset((self.owners[chunk],))
        if kind is Collective.ALL_TO_ALL:
            return frozenset((chunk * self.workers**2 // self.chunks % self.workers,))
        return frozenset((self.root,))


_OWNED = (
    Collective.REDUCE_SCATTER, Collective.ALL_GATHER, Collective.GATHER, Collective.SCATTER
)  # fmt: skip
