"""Two rings at once: half of every chunk travels clockwise, the other half the other way.

The vector has 2n chunks; worker i owns chunks 2i, which travels clockwise, and 2i+1.
"""

from __future__ import annotations

from collections.abc import Iterator

from qring.schedule.hops import Action, Hop, Round

__all__ = ["all_gather", "all_reduce", "broadcast", "reduce_scatter"]


def all_reduce(workers: int) -> Iterator[Round]:
    """Yield 2(n−1) rounds, in which every directed link carries (n−1)/n of the vector."""
    yield from reduce_scatter(workers)
    yield from all_gather(workers, summed=workers)


def reduce_scatter(workers: int) -> Iterator[Round]:
    """Yield n−1 rounds after which worker i holds the sums of chunks 2i and 2i+1."""
    n = workers
    for t in range(n - 1):
        clockwise = (
            Hop(i, (i + 1) % n, 2 * ((i - t - 1) % n), t + 1, Action.ADD) for i in range(n)
        )
        back = (Hop(i, (i - 1) % n, 2 * ((i + t + 1) % n) + 1, t + 1, Action.ADD) for i in range(n))
        yield (*clockwise, *back)


def all_gather(workers: int, *, summed: int = 1) -> Iterator[Round]:
    """Yield n−1 rounds that spread chunks 2i and 2i+1 from worker i to everybody."""
    n = workers
    for t in range(n - 1):
        clockwise = (Hop(i, (i + 1) % n, 2 * ((i - t) % n), summed, Action.KEEP) for i in range(n))
        back = (Hop(i, (i - 1) % n, 2 * ((i + t) % n) + 1, summed, Action.KEEP) for i in range(n))
        yield (*clockwise, *back)


def broadcast(workers: int, *, root: int) -> Iterator[Round]:
    """Yield n−1 rounds: chunk 0 goes clockwise around, chunk 1 the other way."""
    n = workers
    for t in range(n - 1):
        yield (
            Hop((root + t) % n, (root + t + 1) % n, 0, 1, Action.KEEP),
            Hop((root - t) % n, (root - t - 1) % n, 1, 1, Action.KEEP),
        )
