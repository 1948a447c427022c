"""One all-reduce as data for a picture: who sends which chunk to whom, round by round.

A trace comes from the schedule and the width of messages. It holds no word of anybody's gradient,
and adds up to the ledger of the run it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from qring.encoding.superdense import pairs_for
from qring.ledger import Carrier, Ledger, Meter, Phase
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action
from qring.schedule.ring import Direction

__all__ = ["Move", "Trace", "even_lengths", "ring_trace"]


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
    """The rounds of one ring all-reduce. ``chunks`` are lengths in coordinates.

    Workers are numbered by their places on the ring; ``names`` are what the places are called.
    """

    workers: int
    what: str
    names: tuple[int, ...]
    chunks: tuple[int, ...]
    rounds: tuple[tuple[Move, ...], ...]

    def ledger(self, *, quantum: bool) -> Ledger:
        """The account of a run that moves as the trace says, by names."""
        meter = Meter()
        for moves in self.rounds:
            for move in moves:
                src, dst = self.names[move.src], self.names[move.dst]
                if not quantum:
                    meter.charge(src, dst, Phase.ONLINE, Carrier.BIT, move.bits)
                    continue
                for phase, carrier in (
                    (Phase.SETUP, Carrier.QUBIT),
                    (Phase.ONLINE, Carrier.QUBIT),
                    (Phase.ONLINE, Carrier.EBIT),
                ):
                    meter.charge(src, dst, phase, carrier, move.qubits)
        meter.rounds = len(self.rounds)
        return meter.ledger()

    def as_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "workers": self.workers,
            "what": self.what,
            "names": list(self.names),
            "chunks": list(self.chunks),
            "rounds": [[list(move) for move in moves] for moves in self.rounds],
        }


def ring_trace(
    *,
    chunks: Sequence[int],
    what: str,
    bits: Callable[[int, int], int],
    gather: Direction = Direction.COUNTER_CLOCKWISE,
    names: Sequence[int] | None = None,
) -> Trace:
    """Trace a ring all-reduce of ``chunks``, one length in coordinates a worker.

    ``bits(count, summed)`` is the length of a message of ``count`` values that hold the words of
    ``summed`` workers, as a wire format says it.
    """
    workers = len(chunks)
    rounds = []
    for hops in ring.all_reduce(workers, gather=gather):
        moves = []
        for hop in hops:
            length = bits(chunks[hop.chunk], hop.summed)
            after = hop.summed + (hop.action is Action.ADD)
            moves.append(Move(hop.src, hop.dst, hop.chunk, after, length, pairs_for(length)))
        rounds.append(tuple(moves))
    return Trace(
        workers=workers,
        what=what,
        names=tuple(names if names is not None else range(workers)),
        chunks=tuple(chunks),
        rounds=tuple(rounds),
    )


def even_lengths(coords: int, workers: int) -> tuple[int, ...]:
    """Lengths of the chunks into which the ring cuts ``coords`` coordinates."""
    return tuple(chunk.stop - chunk.start for chunk in even_chunks(coords, workers))
