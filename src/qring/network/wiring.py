"""Distribution of GHZ copies to the workers, and announcement of outcome bits."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from enum import Enum

from qring.ledger import Carrier, Phase
from qring.network.wires import Wire
from qring.schedule import ring
from qring.schedule.chunks import even_chunks

__all__ = ["Announcement", "Distribution", "Wiring"]


class Distribution(Enum):
    """Distribution of GHZ copies.

    ``STAR``: worker 0 makes each copy and sends a qubit to every other worker. ``RING_PAIRS``:
    a copy is grown along the ring from one pair a link, with a bit of correction handed on.
    ``TREE_PAIRS``: likewise along a binary tree, whose inner workers fuse the pairs above and
    below them. ``GROUPS``: the first worker of each group makes a copy of the group, and pairs
    join these along a chain of first workers; groups are ⌈√n⌉ neighbours.
    """

    STAR = "star"
    RING_PAIRS = "ring-pairs"
    TREE_PAIRS = "tree-pairs"
    GROUPS = "groups"


class Announcement(Enum):
    """Announcement of outcome bits.

    ``BROADCAST``: every worker sends its bit to every other, in one round. ``XOR_RING``: the bits
    of a copy are XORed around the ring and the parity comes back, about 2(n−1)/n bits a link.
    ``XOR_TREE``: they are XORed up a binary tree, and the parity comes back down: one bit a link,
    in 2⌊log₂ n⌋ rounds.
    """

    BROADCAST = "broadcast"
    XOR_RING = "xor-ring"
    XOR_TREE = "xor-tree"


class Wiring:
    """The wires of ``workers`` workers that share GHZ copies, as ``wire`` opens them.

    ``phase`` is when bits are announced; only online rounds are counted, by ``end_rounds``.
    """

    __slots__ = ("_announcement", "_distribution", "_end_rounds", "_phase", "_wire", "_workers")

    def __init__(
        self,
        workers: int,
        distribution: Distribution,
        announcement: Announcement,
        phase: Phase,
        *,
        wire: Callable[[int, int, Phase], Wire],
        end_rounds: Callable[[int], None],
    ) -> None:
        self._workers, self._phase = workers, phase
        self._distribution, self._announcement = distribution, announcement
        self._wire, self._end_rounds = wire, end_rounds

    def share(self, copies: int) -> None:
        """Distribute ``copies`` GHZ states in the setup phase."""
        if self._distribution is Distribution.GROUPS:
            self._share_by_groups(copies)
            return
        for worker in range(1, self._workers):
            if self._distribution is Distribution.STAR:
                self._wire(0, worker, Phase.SETUP).send(Carrier.QUBIT, copies)
                continue
            tree = self._distribution is Distribution.TREE_PAIRS
            self._fuse((worker - 1) // 2 if tree else worker - 1, worker, copies)

    def _share_by_groups(self, copies: int) -> None:
        size = math.isqrt(self._workers - 1) + 1
        for first in range(0, self._workers, size):
            if first:
                self._fuse(first - size, first, copies)
            for worker in range(first + 1, min(first + size, self._workers)):
                wire = self._wire(first, worker, Phase.SETUP)
                wire.send(Carrier.QUBIT, copies)
                if first:  # whether to flip, as the fusion of the groups came out
                    wire.send(Carrier.BIT, copies)

    def _fuse(self, src: int, dst: int, copies: int) -> None:
        """Grow copies by a pair: half of it is sent, it is consumed, and a correction follows."""
        wire = self._wire(src, dst, Phase.SETUP)
        for carrier in (Carrier.QUBIT, Carrier.EBIT, Carrier.BIT):
            wire.send(carrier, copies)

    def announce(self, copies: int) -> None:
        """Make one outcome bit of every worker public for each of ``copies`` copies, at once."""
        if copies == 0:
            return
        if self._announcement is Announcement.BROADCAST:
            self.broadcast(copies)
            return
        if self._announcement is Announcement.XOR_TREE:
            for worker in range(1, self._workers):
                parent = (worker - 1) // 2
                self._wire(worker, parent, self._phase).send(Carrier.BIT, copies)
                self._wire(parent, worker, self._phase).send(Carrier.BIT, copies)
            self._end(2 * (self._workers.bit_length() - 1))
            return
        for src, dst, load in _around(self._workers, copies):
            self._wire(src, dst, self._phase).send(Carrier.BIT, load)
        self._end(2 * (self._workers - 1))

    def broadcast(self, bits: int) -> None:
        """Have every worker send ``bits`` bits of its own to every other, in one round."""
        for src in range(self._workers):
            for dst in range(self._workers):
                if src != dst:
                    self._wire(src, dst, self._phase).send(Carrier.BIT, bits)
        self._end(1)

    def _end(self, rounds: int) -> None:
        if self._phase is Phase.ONLINE:
            self._end_rounds(rounds)


@functools.lru_cache(maxsize=64)
def _around(workers: int, bits: int) -> tuple[tuple[int, int, int], ...]:
    """Bits that an XOR all-reduce of ``bits`` bits puts on each directed link of the ring."""
    lengths = [chunk.stop - chunk.start for chunk in even_chunks(bits, workers)]
    loads: dict[tuple[int, int], int] = {}
    for hops in ring.all_reduce(workers):
        for hop in hops:
            ends = (hop.src, hop.dst)
            loads[ends] = loads.get(ends, 0) + lengths[hop.chunk]
    return tuple((src, dst, load) for (src, dst), load in loads.items())
