"""Schedules whose messages go straight to their destination, as rounds of hops like the ring's."""

from __future__ import annotations

from collections.abc import Iterator

from qring.schedule.hops import Action, Hop, Round

__all__ = ["all_to_all", "gather", "scatter"]


def gather(workers: int, *, root: int) -> Iterator[Round]:
    """One round in which chunk i goes from worker i to ``root``."""
    yield tuple(Hop(i, root, i, 1, Action.KEEP) for i in range(workers) if i != root)


def scatter(workers: int, *, root: int) -> Iterator[Round]:
    """One round in which chunk i goes from ``root`` to worker i."""
    yield tuple(Hop(root, i, i, 1, Action.KEEP) for i in range(workers) if i != root)


def all_to_all(workers: int) -> Iterator[Round]:
    """n−1 rounds in which chunk i·n+j goes from worker i to worker j, a step further each time."""
    for step in range(1, workers):
        pairs = ((i, (i + step) % workers) for i in range(workers))
        yield tuple(Hop(i, j, i * workers + j, 1, Action.KEEP) for i, j in pairs)
