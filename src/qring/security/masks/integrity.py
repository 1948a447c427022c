"""The check after the ring: every worker ends with the same, right sum, or the run is aborted.

Pairs of the superdense ring are not trusted: whoever supplied them reads every message and can
change it, differently for different workers. Once every worker holds a result Ŷ, and only then,
public coins choose a linear hash A (:mod:`qring.security.masks.powers`); every worker i announces
A·yᵢ of its masked words and A·Ŷᵢ of its result. The run is good if all A·Ŷᵢ are equal and the A·yᵢ
add up to them. It is aborted else, and the masks are gone.

With honest workers a wrong Ŷ at anybody passes with probability at most (d−1)/2^m. A coalition can
speak last and make its own share fit: then all honest workers still hold one sum, of the honest
words and of a word x_A that it chose knowing the honest sum (the ideal F+), or abort. What is
announced is a function of masked words, which are uniform but for their sum, so nothing leaks.

After a failed check both ends of every message may announce its hash: where they differ, the link
changed it, or one of its ends lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.encoding.formats import WireFormat
from qring.network.links import Link
from qring.network.run import Run
from qring.schedule import ring
from qring.schedule.chunks import even_chunks
from qring.schedule.ring import Direction
from qring.security.masks.gathering import EVERYBODY, Gathering, Words
from qring.security.masks.powers import HashSize, PowerHash

__all__ = [
    "Broadcast",
    "IntegrityCheck",
    "IntegrityVerdict",
    "Message",
    "OnlineCheck",
    "Recorder",
]

Broadcast = Callable[[int], None]
"""Has every worker tell all others so many bits of its own, online."""


class OnlineCheck(Enum):
    """Whether results of the ring are checked before anybody uses them.

    Left out, whoever changes qubits online can give each worker a sum of its own.
    """

    REQUIRED = "required"
    LEFT_OUT = "left-out"


class Message(NamedTuple):
    """One message as an end of its link knows it: ``words`` of the coordinates from ``first`` on.

    ``hop`` numbers the messages of a run in the schedule's order.
    """

    hop: int
    first: int
    words: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityVerdict:
    """Verdict of the check. ``epsilon`` bounds the probability that a wrong result passed.

    ``differing`` are honest workers whose results are not worker 0's (of the honest ones, the
    first's); ``links`` are those (src, dst) whose two ends know different messages.
    """

    epsilon: float
    sums_fit: bool
    differing: tuple[int, ...] = ()
    links: tuple[tuple[int, int], ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all results are equal, and what the masked words add up to."""
        return self.sums_fit and not self.differing

    def __str__(self) -> str:
        if self.passed:
            return "all workers hold the sum of the masked words"
        found = []
        if self.differing:
            found.append(f"worker {_listed(self.differing)} holds another result than the first")
        if not self.sums_fit:
            found.append("the result is not what the masked words add up to")
        if self.links:
            names = ", ".join(f"{src}→{dst}" for src, dst in self.links)
            found.append(f"changed on link {names}, or one of its ends lies")
        return "; ".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityCheck:
    """The check of one sum of ``coords`` words mod 2^B. Standing of its ε: bound, finite size."""

    coords: int
    sum_bits: int
    size: HashSize

    @classmethod
    def plan(
        cls, coords: int, sum_bits: int, epsilon: float, *, masks: int | None = None
    ) -> IntegrityCheck:
        """Smallest check that misses a wrong result with probability ``epsilon`` at most.

        Where the sum uses up a part of a batch of ``masks``, with the same part of ``epsilon``:
        so ``epsilon`` is that of all sums under the batch, however many they are.

        Raises:
            InputError: ε outside (0, 1).
        """
        share = 1.0 if masks is None else min(1.0, coords / masks)
        size = HashSize.enough(coords - 1, epsilon * share)
        return cls(coords=coords, sum_bits=sum_bits, size=size)

    @property
    def epsilon(self) -> float:
        """(d−1)/2^m: probability that a wrong result passes, at most."""
        return self.size.missed(self.coords - 1)

    @property
    def bits(self) -> int:
        """2·m·B: what each worker announces to all others, for any number of coordinates."""
        return 2 * self.size.rows * self.sum_bits

    def run(
        self,
        masked: Words,
        results: Words,
        *,
        coins: np.random.Generator,
        broadcast: Broadcast,
        gathering: Gathering = EVERYBODY,
        liars: frozenset[int] = frozenset(),
    ) -> tuple[IntegrityVerdict, PowerHash]:
        """Check ``results`` against ``masked``, both of shape (workers here, coords).

        All workers must hold their results when this is called: ``coins`` are drawn here.
        ``liars`` speak last and announce what makes the check pass. Also returns the hash, for
        :meth:`blame`.
        """
        chosen = PowerHash(self.size, self.size.drawn(coins), self.sum_bits)
        same = len(results) > 1 and bool((results == results[:1]).all())
        low_bits = np.uint64((1 << self.sum_bits) - 1)
        together = masked.sum(axis=0, dtype=np.uint64, keepdims=True) & low_bits
        # Hashes are linear: that of the sum of words is the sum of what is announced of each.
        hashed = chosen.combine(np.concatenate([together, results[:1] if same else results]))
        held = np.broadcast_to(hashed[1:], (len(results), self.size.rows))
        total = gathering.total(hashed[:1]) & low_bits
        ends = gathering.everyone(held)
        broadcast(self.bits)
        honest = [worker for worker in range(len(ends)) if worker not in liars]
        expected = ends[honest[0]]
        return IntegrityVerdict(
            epsilon=self.epsilon,
            sums_fit=bool(liars) or bool((total == expected).all()),
            differing=tuple(w for w in honest if (ends[w] != expected).any()),
        ), chosen

    def blame(
        self,
        hops: Sequence[tuple[int, int]],
        sent: Sequence[Message],
        received: Sequence[Message],
        *,
        chosen: PowerHash,
        broadcast: Broadcast,
        gathering: Gathering = EVERYBODY,
    ) -> tuple[tuple[int, int], ...]:
        """Links (src, dst) whose ends know different messages, ascending.

        ``hops`` are those of the whole run; ``sent`` and ``received`` what ends that live here
        know. Each worker announces one hash for every message that it sent or received.
        """
        said = np.zeros((1, 2, len(hops), self.size.rows), np.uint64)
        for side, messages in enumerate((sent, received)):
            for message in messages:
                said[0, side, message.hop] = chosen.combine(
                    message.words[None], first=message.first
                )[0]
        flat = gathering.total(said.reshape(1, -1))
        known = flat.reshape(said.shape[1:])
        workers = 1 + max(max(hop) for hop in hops)
        broadcast(2 * (len(hops) // workers) * self.size.rows * self.sum_bits)
        wrong = np.flatnonzero((known[0] != known[1]).any(axis=1))
        return tuple(sorted({hops[hop] for hop in wrong.tolist()}))


class Recorder:
    """Remembers messages that did not arrive as they were sent, in the schedule's order.

    In one process only these matter to :meth:`IntegrityCheck.blame`: hashes of equal messages are
    equal.
    """

    __slots__ = ("_hop", "changed")

    def __init__(self) -> None:
        self._hop = 0
        self.changed: list[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]] = []

    def over(self, kind: Callable[[Run, int, int], Link]) -> Callable[[Run, int, int], Link]:
        """Links of this ``kind`` whose messages are looked at."""
        return lambda run, src, dst: _Watched(kind(run, src, dst), self)

    def passed(self, sent: NDArray[np.uint8], received: NDArray[np.uint8]) -> None:
        """Take note of the next message."""
        if (sent != received).any():
            self.changed.append((self._hop, sent, received.copy()))
        self._hop += 1

    def verdict(
        self,
        check: IntegrityCheck,
        masked: Words,
        results: Words,
        *,
        wire: WireFormat,
        gather: Direction,
        run: Run,
    ) -> IntegrityVerdict:
        """Check a ring whose workers all live here, and say which links are to blame."""
        workers, broadcast = len(masked), run.copies().broadcast
        found, chosen = check.run(
            masked, results, coins=run.rng, broadcast=broadcast, liars=run.conditions.liars
        )
        if found.passed:
            return found
        hops = [hop for hops in ring.all_reduce(workers, gather=gather) for hop in hops]
        chunks = even_chunks(check.coords, workers)
        ends: tuple[list[Message], list[Message]] = ([], [])
        for number, *messages in self.changed:
            hop, chunk = hops[number], chunks[hops[number].chunk]
            for end, message in zip(ends, messages, strict=True):
                words = wire.unpack(message, chunk.stop - chunk.start, hop.summed)
                end.append(Message(number, chunk.start, words))
        links = check.blame(
            [(hop.src, hop.dst) for hop in hops], *ends, chosen=chosen, broadcast=broadcast
        )
        return replace(found, links=links)


class _Watched:
    """A link whose messages are remembered by a recorder."""

    __slots__ = ("_link", "_recorder")

    def __init__(self, link: Link, recorder: Recorder) -> None:
        self._link, self._recorder = link, recorder

    def carry(self, message: NDArray[np.uint8], bits: int) -> None:
        """Carry a message, and remember it if it is changed."""
        sent = message.copy()
        self._link.carry(message, bits)
        self._recorder.passed(sent, message)

    def charge(self, bits: int) -> None:
        """Charge as the link does."""
        self._link.charge(bits)

    def transmit(self, message: NDArray[np.uint8], bits: int) -> None:
        """Transmit a message, and remember it if it is changed."""
        sent = message.copy()
        self._link.transmit(message, bits)
        self._recorder.passed(sent, message)


def _listed(workers: tuple[int, ...]) -> str:
    return ", ".join(map(str, workers))
