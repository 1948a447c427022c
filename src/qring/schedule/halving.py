"""Recursive halving and doubling between partners at distances that are powers of two.

Where n is not a power of two, p is the one below it and the first 2(n−p) workers form pairs: the
odd one of a pair hands its contribution over before, and gets the result afterwards (folding).
The p workers that remain are numbered 0..p−1 as *partners*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from qring.schedule.hops import Action, Hop, Round

__all__ = [
    "Folding", "all_gather", "all_reduce", "binomial_broadcast", "doubling_all_reduce",
    "reduce_scatter",
]  # fmt: skip


Blocks = Callable[[int, int], tuple[int, int]]
"""(first partner, number of partners) → (first chunk, number of chunks) that belong to them."""


class Folding(NamedTuple):
    """Folding of n workers into p partners: the first ``pairs`` of these stand for two each."""

    workers: int
    partners: int
    pairs: int

    @classmethod
    def of(cls, workers: int) -> Folding:
        """Fold ``workers`` workers."""
        partners = 1 << (workers.bit_length() - 1)
        return cls(workers, partners, workers - partners)

    def worker(self, partner: int) -> int:
        """The worker that is a partner."""
        return 2 * partner if partner < self.pairs else partner + self.pairs

    def summed(self, partner: int, size: int) -> int:
        """Workers that ``size`` partners from ``partner`` on stand for."""
        return size + max(0, min(self.pairs, partner + size) - min(self.pairs, partner))

    def spare(self, partner: int) -> int | None:
        """The other worker of a partner's pair, if it has one."""
        return 2 * partner + 1 if partner < self.pairs else None


def all_reduce(workers: int) -> Iterator[Round]:
    """Yield 2 log2 p rounds, and 2 more where n is not a power of two, over p chunks.

    Halving leaves partner k with the sum of chunk k; doubling spreads it again. Source:
    Rabenseifner and Träff, More efficient reduction algorithms for non-power-of-two number of
    processors (2004).
    """
    fold = Folding.of(workers)
    yield from _handed_over(fold, fold.partners)
    yield from _halving(fold, lambda k, size: (k, size))
    yield from _doubling(fold, lambda k, size: (k, size), workers)
    yield from _handed_back(fold, fold.partners, workers)


def doubling_all_reduce(workers: int) -> Iterator[Round]:
    """Yield log2 p rounds, and 2 more where n is not a power of two, over one chunk.

    In each round partners exchange all that they have summed.
    """
    fold = Folding.of(workers)
    yield from _handed_over(fold, 1)
    size = 1
    while size < fold.partners:
        yield tuple(
            Hop(
                fold.worker(k), fold.worker(k ^ size), 0,
                fold.summed(k & ~(size - 1), size), Action.ADD,
            )
            for k in range(fold.partners)
        )  # fmt: skip
        size *= 2
    yield from _handed_back(fold, 1, workers)


def reduce_scatter(workers: int) -> Iterator[Round]:
    """Yield log2 p rounds of halving over n chunks, with one before and one after if folded."""
    fold = Folding.of(workers)
    yield from _handed_over(fold, workers)
    yield from _halving(fold, _blocks_of(fold))
    last = []
    for k in range(fold.pairs):
        last.append(Hop(2 * k, 2 * k + 1, 2 * k + 1, workers, Action.KEEP))
    if last:
        yield tuple(last)


def all_gather(workers: int) -> Iterator[Round]:
    """Yield log2 p rounds of doubling over n chunks, with one before and one after if folded."""
    fold = Folding.of(workers)
    first = tuple(Hop(2 * k + 1, 2 * k, 2 * k + 1, 1, Action.KEEP) for k in range(fold.pairs))
    if first:
        yield first
    yield from _doubling(fold, _blocks_of(fold), 1)
    yield from _handed_back(fold, workers, 1)


def binomial_broadcast(workers: int, *, root: int) -> Iterator[Round]:
    """Yield ⌈log2 n⌉ rounds in which all that have the one chunk send it to one more each."""
    reached = 1
    while reached < workers:
        yield tuple(
            Hop((root + k) % workers, (root + k + reached) % workers, 0, 1, Action.KEEP)
            for k in range(min(reached, workers - reached))
        )
        reached *= 2


def _blocks_of(fold: Folding) -> Blocks:
    """Chunks, of n, that belong to consecutive partners: first and number."""
    return lambda k, size: (k + min(k, fold.pairs), fold.summed(k, size))


def _halving(fold: Folding, blocks: Blocks) -> Iterator[Round]:
    size = fold.partners // 2
    while size:
        hops = []
        for k in range(fold.partners):
            other = k ^ size
            chunk, span = blocks(other & ~(size - 1), size)
            summed = _halved(fold, k, size)
            hops.append(Hop(fold.worker(k), fold.worker(other), chunk, summed, Action.ADD, span))
        yield tuple(hops)
        size //= 2


def _halved(fold: Folding, k: int, size: int) -> int:
    """Contributions that partner k holds before it exchanges at distance ``size``."""
    step = 2 * size
    return sum(fold.summed(other, 1) for other in range(k % step, fold.partners, step))


def _doubling(fold: Folding, blocks: Blocks, summed: int) -> Iterator[Round]:
    size = 1
    while size < fold.partners:
        hops = []
        for k in range(fold.partners):
            chunk, span = blocks(k & ~(size - 1), size)
            hops.append(
                Hop(fold.worker(k), fold.worker(k ^ size), chunk, summed, Action.KEEP, span)
            )
        yield tuple(hops)
        size *= 2


def _handed_over(fold: Folding, chunks: int) -> Iterator[Round]:
    if fold.pairs:
        yield tuple(Hop(2 * k + 1, 2 * k, 0, 1, Action.ADD, chunks) for k in range(fold.pairs))


def _handed_back(fold: Folding, chunks: int, summed: int) -> Iterator[Round]:
    if fold.pairs:
        yield tuple(
            Hop(2 * k, 2 * k + 1, 0, summed, Action.KEEP, chunks) for k in range(fold.pairs)
        )
