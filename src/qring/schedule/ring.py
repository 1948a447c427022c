"""Ring schedules. Clockwise is worker i → i+1 (mod n).

Worker numbers here are positions on the ring. An executor whose ranks sit in another order
maps positions to ranks; the schedule does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.schedule.hops import Action, Hop, HopArrays, Round
from qring.schedule.schedule import Collective, Schedule

__all__ = [
    "Direction", "all_gather", "all_reduce", "broadcast", "reduce", "reduce_scatter", "schedule",
]  # fmt: skip


_MANY = 32
"""Workers from which on a round is made as arrays: so many hops cost more one by one."""


class Direction(Enum):
    """Direction of a phase around the ring."""

    CLOCKWISE = "clockwise"
    COUNTER_CLOCKWISE = "counter-clockwise"


def all_reduce(workers: int, *, gather: Direction = Direction.COUNTER_CLOCKWISE) -> Iterator[Round]:
    """Yield the 2(n−1) rounds of a ring all-reduce over ``workers`` chunks.

    Scatter-reduce runs clockwise, all-gather counter-clockwise as in the paper, or clockwise
    as in NCCL. Source: paper section 3.2 and figure 1.
    """
    yield from reduce_scatter(workers)
    yield from all_gather(workers, direction=gather, summed=workers)


def reduce_scatter(workers: int) -> Iterator[Round]:
    """Yield n−1 clockwise rounds after which worker i holds the whole sum of chunk i+1 (mod n)."""
    _check(workers)
    for t in range(workers - 1):
        yield _turn(workers, 1, -t, t + 1, Action.ADD)


def all_gather(workers: int, *, direction: Direction, summed: int = 1) -> Iterator[Round]:
    """Yield n−1 rounds that spread chunk i+1 (mod n) from its holder i to everybody.

    ``summed`` is the number of workers whose words the chunks hold already.
    """
    _check(workers)
    step = 1 if direction is Direction.CLOCKWISE else -1
    for t in range(workers - 1):
        yield _turn(workers, step, 1 - step * t, summed, Action.KEEP)


def broadcast(workers: int, *, root: int, chunks: int) -> Iterator[Round]:
    """Yield the rounds of a pipelined clockwise broadcast of ``chunks`` chunks from ``root``.

    There are n−2+chunks rounds (none for one worker); every link but the one into the root
    carries every chunk once.
    """
    _check(workers)
    if not 0 <= root < workers:
        raise InputError(f"root {root} is not one of the workers 0..{workers - 1}")
    if workers == 1:
        return
    for t in range(workers - 2 + chunks):
        yield tuple(
            Hop((root + j) % workers, (root + j + 1) % workers, t - j, 1, Action.KEEP)
            for j in range(workers - 1)
            if 0 <= t - j < chunks
        )


def reduce(workers: int, *, root: int) -> Iterator[Round]:
    """Yield the rounds of a scatter-reduce, and one in which all send their chunk to ``root``."""
    yield from reduce_scatter(workers)
    yield tuple(
        Hop(i, root, (i + 1) % workers, workers, Action.KEEP) for i in range(workers) if i != root
    )


def schedule(
    collective: Collective,
    workers: int,
    *,
    root: int = 0,
    gather: Direction = Direction.COUNTER_CLOCKWISE,
) -> Schedule:
    """One of the ring's collectives. Worker i is left with chunk i+1 (mod n), and brings it.

    Raises:
        InputError: another collective, or no workers.
    """
    _check(workers)
    makers: dict[Collective, Callable[[], Iterator[Round]]] = {
        Collective.ALL_REDUCE: partial(all_reduce, workers, gather=gather),
        Collective.REDUCE_SCATTER: partial(reduce_scatter, workers),
        Collective.ALL_GATHER: partial(all_gather, workers, direction=gather),
        Collective.BROADCAST: partial(broadcast, workers, root=root, chunks=1),
        Collective.REDUCE: partial(reduce, workers, root=root),
    }
    if collective not in makers:
        raise InputError(f"there is no ring schedule for {collective.value}")
    owned = collective in (Collective.REDUCE_SCATTER, Collective.ALL_GATHER)
    return Schedule(
        name=f"ring {collective.value}",
        collective=collective,
        workers=workers,
        chunks=1 if collective is Collective.BROADCAST else workers,
        make=makers[collective],
        owners=tuple((k - 1) % workers for k in range(workers)) if owned else (),
        root=root,
    )


def _turn(workers: int, step: int, ahead: int, summed: int, action: Action) -> Round:
    """The round in which every worker i sends chunk i + ``ahead`` to worker i + ``step``."""
    if workers < _MANY:
        return tuple(
            Hop(i, (i + step) % workers, (i + ahead) % workers, summed, action)
            for i in range(workers)
        )
    src, dst = _ends(workers, step)
    return HopArrays(src, dst, (src + ahead) % workers, summed, action)


@lru_cache(maxsize=16)
def _ends(workers: int, step: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All workers, and their neighbours."""
    src = np.arange(workers)
    return src, (src + step) % workers


def _check(workers: int) -> None:
    if workers < 1:
        raise InputError(f"a ring needs at least 1 worker, not {workers}")
