"""The plans of a rank for each kind of collective, made once for each world size and root."""

from __future__ import annotations

import functools

from qring.schedule import direct, ring
from qring.schedule.rename import renamed
from qring.schedule.schedule import Collective, Schedule
from qring.torch.engine.compile import make_plans
from qring.torch.engine.layout import chunk_of, rank_of
from qring.torch.engine.plan import Plan

__all__ = ["plan_for"]

_STRAIGHT = (Collective.GATHER, Collective.SCATTER, Collective.ALL_TO_ALL)


def plan_for(collective: Collective, rank: int, size: int, root: int = 0) -> Plan:
    """What ``rank`` of ``size`` does in a collective."""
    return _plans(collective, size, root)[rank]


@functools.lru_cache(maxsize=256)
def _plans(collective: Collective, size: int, root: int) -> tuple[Plan, ...]:
    if collective in _STRAIGHT:
        return make_plans(direct.schedule(collective, size, root=root))
    return make_plans(_on_ring(ring.schedule(collective, size, root=rank_of(root, size)), size))


def _on_ring(schedule: Schedule, size: int) -> Schedule:
    """A schedule of the ring, laid among the ranks so that sums have Gloo's bits."""
    chunk = None if schedule.chunks == 1 else functools.partial(chunk_of, size=size)
    return renamed(schedule, worker=functools.partial(rank_of, size=size), chunk=chunk)
