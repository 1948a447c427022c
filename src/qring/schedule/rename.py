"""Schedules under other names: workers and chunks numbered anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from qring.schedule.hops import Hop, Round
from qring.schedule.schedule import Schedule

__all__ = ["renamed"]


def renamed(
    schedule: Schedule,
    *,
    worker: Callable[[int], int],
    chunk: Callable[[int], int] | None = None,
) -> Schedule:
    """The same schedule with worker k called ``worker(k)`` and chunk c called ``chunk(c)``.

    Chunks can only be renamed where every message is of one chunk and nothing lies in scratch.
    """
    owners = tuple(worker(owner) for owner in schedule.owners)
    if chunk is not None and owners:
        numbers = [chunk(k) for k in range(schedule.chunks)]
        owners = tuple(owner for _, owner in sorted(zip(numbers, owners, strict=True)))
    return replace(
        schedule,
        make=partial(_rounds, schedule, worker, chunk),
        owners=owners,
        root=worker(schedule.root),
    )


def _rounds(
    schedule: Schedule, worker: Callable[[int], int], chunk: Callable[[int], int] | None
) -> Iterator[Round]:
    for hops in schedule.rounds:
        yield tuple(
            Hop(
                worker(hop.src), worker(hop.dst), hop.chunk if chunk is None else chunk(hop.chunk),
                hop.summed, hop.action, hop.span, hop.reads, hop.writes,
            )
            for hop in hops
        )  # fmt: skip
