"""One all-reduce as data for a picture: who sends which chunk to whom, round by round.

A trace comes from the schedule and the width of messages. It holds no word of anybody's gradient,
and adds up to the ledger of the run it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from qring.encoding.superdense import pairs_for
from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Meter, Phase
from qring.schedule import ring
from qring.schedule.check import contributions
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action
from qring.schedule.ring import Direction
from qring.schedule.schedule import Schedule

__all__ = [
    "Move", "Trace", "check_shown", "even_lengths", "ring_trace", "schedule_trace",
]  # fmt: skip


class Move(NamedTuple):
    """One message. ``summed`` is the number of workers whose words the receiver's chunk then has.

    It takes ``bits`` classical bits, or ``qubits`` qubits and as many pairs. ``carried`` is the
    number of workers whose words it holds itself, and ``span`` the number of chunks.
    """

    src: int
    dst: int
    chunk: int
    summed: int
    bits: int
    qubits: int
    carried: int
    span: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The rounds of one all-reduce. ``chunks`` are lengths in coordinates.

    Workers are numbered by their places on the ring; ``names`` are what the places are called.
    Without ``held`` the rounds are those of the ring. ``held[t][w][c]`` are the workers, as bits,
    whose words chunk c of node w holds after round t; nodes beyond the workers are servers.
    """

    workers: int
    what: str
    names: tuple[int | str, ...]
    chunks: tuple[int, ...]
    rounds: tuple[tuple[Move, ...], ...]
    held: tuple[tuple[tuple[int, ...], ...], ...] = ()

    def ledger(self, *, quantum: bool) -> Ledger:
        """The account of a run that moves as the trace says, by names."""
        meter = Meter()
        for moves in self.rounds:
            for move in moves:
                src, dst = self._place(move.src), self._place(move.dst)
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

    def _place(self, node: int) -> int:
        name = self.names[node]
        return name if isinstance(name, int) else node

    def as_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "workers": self.workers,
            "what": self.what,
            "names": list(self.names),
            "chunks": list(self.chunks),
            "rounds": [[list(move) for move in moves] for moves in self.rounds],
            "held": [[list(chunks) for chunks in nodes] for nodes in self.held],
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
            moves.append(
                Move(hop.src, hop.dst, hop.chunk, after, length, pairs_for(length), hop.summed)
            )
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


_MOST_NODES, _MOST_CHUNKS = 17, 64


def check_shown(schedule: Schedule) -> None:
    """Refuse what a picture cannot show.

    Raises:
        InputError: more nodes or chunks than fit.
    """
    if schedule.nodes > _MOST_NODES or schedule.chunks > _MOST_CHUNKS:
        raise InputError(
            f"a page shows up to {_MOST_NODES - 1} workers and {_MOST_CHUNKS} chunks; the schedule "
            f"{schedule.name} has {schedule.workers} and {schedule.chunks}: leave --page away"
        )


def schedule_trace(
    schedule: Schedule, *, coords: int, what: str, bits: Callable[[int, int], int]
) -> Trace:
    """Trace any all-reduce of ``coords`` coordinates; moves within a worker take no round.

    Raises:
        InputError: more nodes or chunks than a picture can show.
    """
    check_shown(schedule)
    lengths = even_lengths(coords, schedule.chunks)
    rounds: list[tuple[Move, ...]] = []
    held: list[tuple[tuple[int, ...], ...]] = []
    for hops, masks in zip(schedule.rounds, contributions(schedule), strict=True):
        moves = []
        for hop in hops:
            if hop.src == hop.dst:
                continue
            length = bits(sum(lengths[chunk] for chunk in hop.chunks), hop.summed)
            after = masks[hop.dst][hop.chunk].bit_count()
            moves.append(
                Move(hop.src, hop.dst, hop.chunk, after, length, pairs_for(length), hop.summed,
                     hop.span)
            )  # fmt: skip
        now = tuple(map(tuple, masks))
        if moves:
            rounds.append(tuple(moves))
            held.append(now)
        elif held:
            held[-1] = now
    servers = (
        ["server"] if schedule.helpers == 1 else [f"server {k}" for k in range(schedule.helpers)]
    )
    return Trace(
        workers=schedule.workers,
        what=what,
        names=(*range(schedule.workers), *servers),
        chunks=lengths,
        rounds=tuple(rounds),
        held=tuple(held),
    )
