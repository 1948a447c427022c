"""One all-reduce as data for a picture: who sends which chunk to whom, round by round.

A trace comes from the schedule and the width of messages. It holds no word of anybody's gradient,
and adds up to the ledger of the run it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from qring.encoding.superdense import pairs_for
from qring.ledger import Carrier, Ledger, Meter, Phase
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action
from qring.schedule.ring import Direction

__all__ = ["Move", "Trace", "ring_trace"]


class Move(NamedTuple):
    """One message. ``summed`` is the number of workers whose words the receiver's chunk then has.

    It takes ``bits`` classical bits, or ``qubits`` qubits and as many pairs.
    """

    src: int
    dst: int
    chunk: int
    summed: int
    bits: int
    qubits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The rounds of one ring all-reduce. ``chunks`` are lengths in coordinates."""

    workers: int
    what: str
    chunks: tuple[int, ...]
    rounds: tuple[tuple[Move, ...], ...]

    def ledger(self, *, quantum: bool) -> Ledger:
        """The account of a run that moves as the trace says."""
        meter = Meter()
        for moves in self.rounds:
            for move in moves:
                if not quantum:
                    meter.charge(move.src, move.dst, Phase.ONLINE, Carrier.BIT, move.bits)
                    continue
                for phase, carrier in (
                    (Phase.SETUP, Carrier.QUBIT),
                    (Phase.ONLINE, Carrier.QUBIT),
                    (Phase.ONLINE, Carrier.EBIT),
                ):
                    meter.charge(move.src, move.dst, phase, carrier, move.qubits)
        meter.rounds = len(self.rounds)
        return meter.ledger()

    def as_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "workers": self.workers,
            "what": self.what,
            "chunks": list(self.chunks),
            "rounds": [[list(move) for move in moves] for moves in self.rounds],
        }


def ring_trace(
    *,
    workers: int,
    coords: int,
    what: str,
    bits: Callable[[int, int], int],
    gather: Direction = Direction.COUNTER_CLOCKWISE,
) -> Trace:
    """Trace a ring all-reduce of ``coords`` coordinates.

    ``bits(count, summed)`` is the length of a message of ``count`` values that hold the words of
    ``summed`` workers, as a wire format says it.
    """
    lengths = tuple(chunk.stop - chunk.start for chunk in even_chunks(coords, workers))
    rounds = []
    for hops in ring.all_reduce(workers, gather=gather):
        moves = []
        for hop in hops:
            length = bits(lengths[hop.chunk], hop.summed)
            after = hop.summed + (hop.action is Action.ADD)
            moves.append(Move(hop.src, hop.dst, hop.chunk, after, length, pairs_for(length)))
        rounds.append(tuple(moves))
    return Trace(workers=workers, what=what, chunks=lengths, rounds=tuple(rounds))
