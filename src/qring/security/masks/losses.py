"""Chunks of a vector after losses of workers, over all attempts to sum it.

Attempts on the same words count together: a word is out if it was sent in any of them. What
remains of a stopped chunk is cut where earlier attempts differ, so that every piece is judged by
all that was ever sent of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.collectives.spans import Fate, Span, joined, listed
from qring.security.masks.chains import Chain, Ridden, State

__all__ = ["Piece", "Settlement", "Summed", "cut", "described", "summed_by"]

Words = NDArray[np.uint64]


class Piece(NamedTuple):
    """Words from ``start`` to ``stop`` that still want a sum; ``out`` are workers they left."""

    start: int
    stop: int
    out: frozenset[int] = frozenset()


class Summed(NamedTuple):
    """Words that one run summed over the same workers, as a check after the ring needs them.

    ``masked`` is what each of ``workers`` put in, shape (workers, words): of a lost worker what its
    neighbours say. ``results`` are what each of ``holders`` holds, still masked.
    """

    workers: tuple[int, ...]
    holders: tuple[int, ...]
    masked: Words
    results: Words


@dataclass(slots=True)
class Settlement:
    """The attempts so far: spans that are settled, and ``pieces`` that still want a sum.

    ``left`` are workers that have not fallen silent; ``sums``, shape (workers, words), is what
    each holds.
    """

    left: tuple[int, ...]
    pieces: tuple[Piece, ...]
    sums: Words
    spans: list[Span]

    @classmethod
    def of(cls, workers: int, words: int) -> Settlement:
        """Nothing was tried yet."""
        everybody = tuple(range(workers))
        sums = np.zeros((workers, words), np.uint64)
        return cls(everybody, (Piece(0, words),), sums, [])

    @property
    def wanted(self) -> NDArray[np.intp]:
        """Numbers of the words that still want a sum, in order."""
        return _numbers(self.pieces)

    def lost(self, workers: int) -> tuple[int, ...]:
        """Workers that have fallen silent, of ``workers``."""
        return tuple(worker for worker in range(workers) if worker not in self.left)

    def absorb(self, ridden: Ridden, total: Words, sum_bits: int) -> tuple[int, ...]:
        """Take in how a run over ``left`` and all ``wanted`` words ended, under masks of ``total``.

        Returns who was lost.
        """
        ran, wanted = self.left, self.wanted
        low_bits = np.uint64((1 << sum_bits) - 1)
        pieces: list[Piece] = []
        gone = tuple(ran[k] for k in ridden.lost)
        self.left = tuple(worker for worker in ran if worker not in gone)
        for chain in ridden.chains:
            out = frozenset(ran[k] for k in chain.out | chain.doubtful)
            for piece in cut(self.pieces, chain.chunk):
                fate = _fate(chain)
                if fate is Fate.UNTOUCHED and (piece.out | out) & set(gone):
                    fate = Fate.GIVEN_UP  # out in a run before, or lost only after it stopped
                if fate is Fate.UNTOUCHED:
                    pieces.append(Piece(piece.start, piece.stop, piece.out | out))
                else:
                    self.spans.append(Span(piece.start, piece.stop, ran, fate))
            if _fate(chain) is Fate.SUMMED:
                part = ridden.memory[:, chain.chunk] - total[chain.chunk]
                self.sums[np.ix_(np.array(ran), wanted[chain.chunk])] = part & low_bits
        self.pieces = tuple(sorted(pieces))
        return gone

    def leave(self) -> None:
        """Sum no more: what still wants a sum may be summed by others, but not here."""
        self.spans += [
            Span(piece.start, piece.stop, self.left, Fate.UNTOUCHED) for piece in self.pieces
        ]
        self.pieces = ()

    def settled(self) -> tuple[Span, ...]:
        """All spans, in order."""
        return joined(self.spans)


def summed_by(
    ridden: Ridden, masked: Words, ran: tuple[int, ...], sum_bits: int
) -> Iterator[Summed]:
    """The words that a run over ``ran`` summed: for the check after the ring, a group."""
    chains = [chain for chain in ridden.chains if _fate(chain) is Fate.SUMMED]
    if not any(chain.chunk.stop > chain.chunk.start for chain in chains):
        return
    where = np.concatenate([np.arange(c.chunk.start, c.chunk.stop) for c in chains])
    own = masked[:, where].copy()
    for lost in ridden.lost:
        said = [chain.spoken[lost] for chain in chains]
        own[lost] = np.concatenate([received - came for came, received in said])
    own &= np.uint64((1 << sum_bits) - 1)
    alive = [k for k in range(len(ran)) if k not in ridden.lost]
    holders = tuple(ran[k] for k in alive)
    yield Summed(ran, holders, own, ridden.memory[np.ix_(np.array(alive, np.intp), where)])


def described(lost: tuple[int, ...], spans: tuple[Span, ...]) -> tuple[str, ...]:
    """Say in words what lost workers did to a sum."""
    if not lost:
        return ()
    found = [f"fell silent: worker {', '.join(map(str, lost))}"]
    for fate, text in (
        (Fate.GIVEN_UP, "given up: their sum may be known, and must not be formed again without "
         "one of its workers"),
        (Fate.UNTOUCHED, "not summed: too few workers were left, or their masks failed"),
    ):  # fmt: skip
        those = [span for span in spans if span.fate is fate]
        if those:
            found.append(f"coordinates {listed(those)} were {text}")
    without = [
        span for span in spans if span.fate is Fate.SUMMED and not set(lost) <= set(span.workers)
    ]
    if without:
        found.append(
            f"coordinates {listed(without)} were summed again without lost workers, the others "
            "with them: the mean divides each by its own number"
        )
    return tuple(found)


def cut(pieces: Iterable[Piece], chunk: slice) -> Iterator[Piece]:
    """The parts of ``pieces``, laid end to end, that lie in ``chunk``."""
    done = 0
    for piece in pieces:
        size = piece.stop - piece.start
        first, last = max(chunk.start - done, 0), min(chunk.stop - done, size)
        if first < last:
            yield piece._replace(start=piece.start + first, stop=piece.start + last)
        done += size


def _fate(chain: Chain) -> Fate:
    if chain.state is State.MOVING:
        return Fate.SUMMED
    return Fate.UNTOUCHED if chain.state is State.STOPPED else Fate.GIVEN_UP


def _numbers(pieces: Sequence[Piece]) -> NDArray[np.intp]:
    parts = [np.arange(piece.start, piece.stop) for piece in pieces]
    return np.concatenate(parts) if parts else np.empty(0, np.intp)
