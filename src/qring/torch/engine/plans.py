"""The plans of a rank for each kind of collective, made once for each topology, size and root."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from qring.errors import InputError
from qring.schedule import direct, hierarchical, ring
from qring.schedule.rename import renamed
from qring.schedule.schedule import Collective, Schedule
from qring.schedule.topology import Topology
from qring.torch.engine.compile import make_plans
from qring.torch.engine.layout import chunk_of, rank_of
from qring.torch.engine.plan import Plan

__all__ = ["Laid", "Planned", "lay_out", "schedule_for"]

_STRAIGHT = (Collective.GATHER, Collective.SCATTER, Collective.ALL_TO_ALL)
_SHARED = (Collective.REDUCE_SCATTER, Collective.ALL_GATHER)


class Planned(NamedTuple):
    """A rank's plan, and the cutting of vectors for it.

    ``like_gloo`` asks for Gloo's chunks. Of what ranks share out each has ``blocks`` chunks.
    """

    plan: Plan
    chunks: int
    blocks: int
    like_gloo: bool


class Laid(NamedTuple):
    """A topology as it lies among the ranks of a group.

    ``hosts`` are the ranks of each host, in order; a hierarchy takes them as its levels.
    """

    topology: Topology
    size: int
    hosts: tuple[tuple[int, ...], ...]

    def beside(self, rank: int) -> frozenset[int]:
        """Ranks on the same host of a hierarchy, and the rank itself."""
        return next((frozenset(host) for host in self.hosts if rank in host), frozenset())

    def plan(self, collective: Collective, rank: int, root: int = 0) -> Planned:
        """The plan of ``rank`` in a collective."""
        plans, chunks, blocks, like_gloo = _plans(self, collective, root)
        return Planned(plans[rank], chunks, blocks, like_gloo)


def lay_out(
    topology: Topology,
    names: Sequence[int],
    hosts: tuple[tuple[int, ...], ...],
    *,
    whole: bool,
) -> Laid:
    """Lay a topology among the ranks of a group, whose global ranks are ``names``.

    ``hosts`` are those on which the ranks were found to be. A hierarchy that names its sizes has
    global rank r on host ⌊r/INNER⌋, also for the ranks of a smaller group; ``whole`` says that the
    group is of all ranks.

    Raises:
        InputError: the sizes of the hierarchy are not those of the whole group.
    """
    size, sizes = len(names), topology.sizes
    if sizes is not None:
        inner, outer = sizes
        if whole and inner * outer != size:
            raise InputError(
                f"topology {topology} is {inner} ranks on each of {outer} hosts, {inner * outer} "
                f"in all; there are {size}"
            )
        found: dict[int, list[int]] = {}
        for rank, name in enumerate(names):
            found.setdefault(name // inner, []).append(rank)
        hosts = tuple(tuple(found[host]) for host in sorted(found))
    return Laid(topology, size, hosts if topology.name == "hierarchical" else ())


@functools.lru_cache(maxsize=256)
def _plans(
    laid: Laid, collective: Collective, root: int
) -> tuple[tuple[Plan, ...], int, int, bool]:
    schedule = schedule_for(laid, collective, root)
    blocks = schedule.chunks // laid.size if collective in _SHARED else 1
    return make_plans(schedule), schedule.chunks, blocks, _is_gloos(laid, collective)


def schedule_for(laid: Laid, collective: Collective, root: int) -> Schedule:
    """The schedule of a collective in which worker k is rank k."""
    size = laid.size
    if collective in _STRAIGHT:
        return direct.schedule(collective, size, root=root)
    if _is_gloos(laid, collective):
        gather = ring.Direction.COUNTER_CLOCKWISE
        if laid.topology.name == "ring" and laid.topology.option:
            gather = ring.Direction.CLOCKWISE
        found = ring.schedule(collective, size, root=rank_of(root, size), gather=gather)
        return _on_ring(found, size)
    if laid.topology.name == "hierarchical":
        return _on_hosts(laid, collective, root)
    return laid.topology.schedule(collective, size, root=root, apart=False)


def _is_gloos(laid: Laid, collective: Collective) -> bool:
    """Whether a collective runs around the ring, so that sums have Gloo's bits.

    Hosts of different sizes have a schedule of their own for sums only.
    """
    if laid.topology.name == "hierarchical":
        uneven = len({len(host) for host in laid.hosts}) > 1
        return uneven and collective is not Collective.ALL_REDUCE
    return laid.topology.name == "ring"


def _on_ring(schedule: Schedule, size: int) -> Schedule:
    chunk = None if schedule.chunks == 1 else functools.partial(chunk_of, size=size)
    return renamed(schedule, worker=functools.partial(rank_of, size=size), chunk=chunk)


def _on_hosts(laid: Laid, collective: Collective, root: int) -> Schedule:
    sizes = {len(host) for host in laid.hosts}
    if len(sizes) > 1:
        return Schedule(
            name="hierarchical by leaders",
            collective=collective,
            workers=laid.size,
            chunks=len(laid.hosts),
            make=functools.partial(hierarchical.by_leaders, laid.hosts),
        )
    order = [rank for host in laid.hosts for rank in host]
    topology = Topology(f"hierarchical:{sizes.pop()}x{len(laid.hosts)}")
    found = topology.schedule(collective, laid.size, root=order.index(root))
    chunk = order.__getitem__ if collective in _SHARED else None
    return renamed(found, worker=order.__getitem__, chunk=chunk)
