"""A ring all-reduce whose workers may fall silent, chunk by chunk.

A chunk is a chain: the workers add their words to it in turn, then its sum is handed on. A word is
*out* once its worker has sent the chunk on, arrived or not. When somebody falls silent all are told
to stop before the next round, and every chunk is judged by itself. Where the words of all that are
lost are out, the chain goes on and passes them by: its sum is known to whoever listens, or will be.
Where none of them is out the chunk stops, to be summed again without them. Everywhere else, above
all where the lost worker was about to send, it is given up: nobody can know what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Progress
from qring.encoding.formats import WordFormat
from qring.network.links import Link
from qring.network.run import Run
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.ring import Direction

__all__ = ["Chain", "Ridden", "State", "ride"]

Words = NDArray[np.uint64]
Spoken = dict[int, tuple[Words, Words]]


class State(Enum):
    """State of a chunk: on its way or at its end, stopped, or given up."""

    MOVING = "moving"
    STOPPED = "stopped"
    GIVEN_UP = "given up"


@dataclass(slots=True, kw_only=True)
class Chain:
    """One chunk on its way along ``path``, whose first ``adding`` workers add their words.

    ``at`` is where on the path the newest value is. ``out`` are workers whose words were sent,
    ``doubtful`` those that fell silent as they were to send them, ``holders`` who has the sum.
    ``spoken`` holds for lost workers what came to them and what they made of it: their word is
    the difference.
    """

    chunk: slice
    path: list[int]
    adding: int
    at: int = 0
    state: State = State.MOVING
    out: set[int] = field(default_factory=set)
    doubtful: set[int] = field(default_factory=set)
    holders: list[int] = field(default_factory=list)
    spoken: Spoken = field(default_factory=dict)

    @property
    def moves(self) -> bool:
        """Whether there is a hop left."""
        return self.state is State.MOVING and self.at + 1 < len(self.path)

    @property
    def hop(self) -> tuple[int, int]:
        """The next hop: source, destination."""
        return self.path[self.at], self.path[self.at + 1]

    @property
    def adds(self) -> bool:
        """Whether the next receiver adds its word, rather than keep the sum."""
        return self.at + 1 < self.adding

    def silence(self) -> None:
        """The next sender says nothing: whether its message is known to somebody, nobody knows."""
        if self.at < self.adding and self.path[self.at] not in self.out:
            self.doubtful.add(self.path[self.at])

    def move(self) -> None:
        """The next hop was made."""
        if self.at < self.adding:
            self.out.add(self.path[self.at])
        if not self.holders and self.at + 1 >= self.adding:
            self.holders.append(self.path[self.at])
        self.at += 1
        if self.at >= self.adding:
            self.holders.append(self.path[self.at])

    def judge(self, lost: set[int]) -> None:
        """Decide what becomes of the chunk, now that ``lost`` are silent."""
        if not self.moves:
            return
        if self.doubtful & lost or (self.out & lost and not lost <= self.out):
            self.state = State.GIVEN_UP
        elif not self.out & lost:
            self.state = State.STOPPED
        else:
            rest = [worker for worker in self.path[self.at + 1 :] if worker not in lost]
            self.path[self.at + 1 :] = rest
            if self.path[self.at] in lost:  # all words are out: somebody else may have the sum
                others = [worker for worker in self.holders if worker not in lost]
                if others:
                    self.path[self.at] = others[-1]
                else:
                    self.state = State.GIVEN_UP


class Ridden(NamedTuple):
    """Result of a ring: every worker's memory, shape (workers, words), the chains, the lost."""

    memory: Words
    chains: tuple[Chain, ...]
    lost: tuple[int, ...]


def ride(
    masked: Words,
    *,
    wire: WordFormat,
    gather: Direction,
    link: Callable[[int, int], Link],
    run: Run,
    silent_from: Mapping[int, int],
    end_at_loss: bool,
    progress: Progress,
) -> Ridden:
    """Sum ``masked``, shape (workers, words), as far as lost workers let.

    ``silent_from`` gives the round, as ``run`` counts them, from which on a worker sends
    nothing; all others notice at the end of that round. With ``end_at_loss`` nothing is sent after
    it, and chains that would go on are given up.
    """
    workers = len(masked)
    memory = masked.copy()
    chains = _chains(workers, even_chunks(masked.shape[1], workers), gather)
    lost: set[int] = set()
    ends = run.rounds + 2 * (workers - 1)
    while moving := [chain for chain in chains if chain.moves]:
        silent = {worker for worker, first in silent_from.items() if first <= run.rounds}
        _hop(memory, [chain for chain in moving if _speaks(chain, silent)], wire, link, silent_from)
        run.end_rounds()
        progress(run.rounds, max(ends, run.rounds))
        if silent - lost:
            lost |= silent
            for chain in moving:
                chain.judge(lost)
            if end_at_loss:
                for chain in chains:
                    if chain.state is State.MOVING:
                        chain.state = State.GIVEN_UP
                break
    return Ridden(memory, tuple(chains), tuple(sorted(lost)))


def _chains(workers: int, chunks: Sequence[slice], gather: Direction) -> list[Chain]:
    """Chains of the ring's schedule, one a chunk."""
    paths: list[list[int]] = [[] for _ in chunks]
    for hops in ring.all_reduce(workers, gather=gather):
        for hop in hops:
            path = paths[hop.chunk]
            path.extend((hop.src, hop.dst) if not path else (hop.dst,))
    return [
        Chain(chunk=chunk, path=path, adding=workers)
        for chunk, path in zip(chunks, paths, strict=True)
    ]


def _speaks(chain: Chain, silent: set[int]) -> bool:
    if chain.hop[0] in silent:
        chain.silence()
        return False
    return True


def _hop(
    memory: Words,
    chains: Sequence[Chain],
    wire: WordFormat,
    link: Callable[[int, int], Link],
    watched: Mapping[int, int],
) -> None:
    """Make the next hop of all ``chains``; every message leaves before any arrives."""
    messages = []
    for chain in chains:
        src, dst = chain.hop
        values = memory[src, chain.chunk]
        summed = min(chain.at + 1, chain.adding)
        message = wire.pack(values, summed)
        link(src, dst).carry(message, wire.bits(len(values), summed))
        received = wire.unpack(message, len(values), summed)
        if chain.at < chain.adding and {src, dst} & watched.keys():
            _listen(chain, values.copy(), received)
        messages.append(received)
    for chain, received in zip(chains, messages, strict=True):
        target = memory[chain.hop[1], chain.chunk]
        target[:] = wire.add(received, target) if chain.adds else received
        chain.move()


def _listen(chain: Chain, sent: Words, received: Words) -> None:
    """Keep what the neighbours of a worker that will be lost know of its word."""
    src, dst = chain.hop
    came, _ = chain.spoken.get(src, (np.zeros_like(sent), received))
    chain.spoken[src] = (came, received)
    if chain.adds:
        chain.spoken[dst] = (sent, sent)
