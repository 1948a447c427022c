"""How GHZ copies reach the workers and how announced bits reach everybody."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum

from qring.ledger import Carrier, Phase
from qring.network.wires import Wire
from qring.schedule import ring
from qring.schedule.chunks import even_chunks

__all__ = ["Announcement", "Distribution", "Wiring"]


class Distribution(Enum):
    """Where GHZ copies come from.

    ``STAR``: worker 0 makes each copy and sends a qubit to every other worker. ``RING_PAIRS``:
    a copy is grown along the ring from one pair a link, with a bit of correction handed on.
    """

    STAR = "star"
    RING_PAIRS = "ring-pairs"


class Announcement(Enum):
    """How outcome bits are made public.

    ``BROADCAST``: every worker sends its bit to every other, in one round. ``XOR_RING``: the bits
    of a copy are XORed around the ring and the parity comes back, about 2(n−1)/n bits a link.
    """

    BROADCAST = "broadcast"
    XOR_RING = "xor-ring"


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
        for worker in range(1, self._workers):
            if self._distribution is Distribution.STAR:
                self._wire(0, worker, Phase.SETUP).send(Carrier.QUBIT, copies)
                continue
            wire = self._wire(worker - 1, worker, Phase.SETUP)
            for carrier in (Carrier.QUBIT, Carrier.EBIT, Carrier.BIT):
                wire.send(carrier, copies)

    def announce(self, copies: int) -> None:
        """Make one outcome bit of every worker public for each of ``copies`` copies, at once."""
        if copies == 0:
            return
        if self._announcement is Announcement.BROADCAST:
            self.broadcast(copies)
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
