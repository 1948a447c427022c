"""Co-located shards: every worker is the server of one chunk, and messages go straight to it."""

from __future__ import annotations

from collections.abc import Iterator

from qring.schedule.hops import Action, Hop, Round

__all__ = ["all_gather", "all_reduce", "broadcast", "reduce_scatter"]


def all_reduce(workers: int) -> Iterator[Round]:
    """Yield two rounds over n(n−1) links: chunk k to worker k, and its sum back to everybody."""
    yield from reduce_scatter(workers)
    yield from all_gather(workers, summed=workers)


def reduce_scatter(workers: int) -> Iterator[Round]:
    """Yield one round in which everybody sends chunk k to worker k."""
    if workers > 1:
        yield tuple(
            Hop(i, (i + step) % workers, (i + step) % workers, 1, Action.ADD)
            for step in range(1, workers)
            for i in range(workers)
        )


def all_gather(workers: int, *, summed: int = 1) -> Iterator[Round]:
    """Yield one round in which worker k sends chunk k to everybody."""
    if workers > 1:
        yield tuple(
            Hop(i, (i + step) % workers, i, summed, Action.KEEP)
            for step in range(1, workers)
            for i in range(workers)
        )


def broadcast(workers: int, *, root: int) -> Iterator[Round]:
    """Yield two rounds: ``root`` sends chunk k to worker k, which sends it to the others."""
    others = [k for k in range(workers) if k != root]
    if others:
        yield tuple(Hop(root, k, k, 1, Action.KEEP) for k in others)
        last = [
            Hop(i, (i + step) % workers, i, 1, Action.KEEP)
            for step in range(1, workers)
            for i in range(workers)
            if (i + step) % workers != root
        ]
        yield tuple(last)
