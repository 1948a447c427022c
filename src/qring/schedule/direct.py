"""Schedules whose messages go straight to their destination, as rounds of hops like the ring's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from qring.errors import InputError
from qring.schedule.hops import Action, Hop, Round
from qring.schedule.schedule import Collective, Schedule

__all__ = ["all_to_all", "gather", "scatter", "schedule"]


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


def schedule(collective: Collective, workers: int, *, root: int = 0) -> Schedule:
    """A gather, scatter or all-to-all whose messages go straight to their destination.

    Raises:
        InputError: another collective.
    """
    everyone = tuple(range(workers))
    makers: dict[Collective, Callable[[], Iterator[Round]]] = {
        Collective.GATHER: partial(gather, workers, root=root),
        Collective.SCATTER: partial(scatter, workers, root=root),
        Collective.ALL_TO_ALL: partial(all_to_all, workers),
    }
    if collective not in makers:
        raise InputError(f"no message goes straight to its destination in {collective.value}")
    return Schedule(
        name=f"direct {collective.value}",
        collective=collective,
        workers=workers,
        chunks=workers**2 if collective is Collective.ALL_TO_ALL else workers,
        make=makers[collective],
        owners=everyone if collective is not Collective.ALL_TO_ALL else (),
        root=root,
    )
