"""The plans of a rank for each kind of collective, made once for each world size and root."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from qring.schedule import direct, ring
from qring.schedule.hops import Action, Hop, Round
from qring.torch.engine.layout import chunk_of, position_of, rank_of
from qring.torch.engine.plan import Plan, make_plan

__all__ = [
    "all_gather", "all_reduce", "all_to_all", "broadcast", "gather", "reduce", "reduce_scatter",
    "scatter",
]  # fmt: skip

_GATHER = ring.Direction.COUNTER_CLOCKWISE


@functools.lru_cache(maxsize=256)
def all_reduce(rank: int, size: int) -> Plan:
    """Ring all-reduce: chunk r is whole at rank r first, and everybody wants all chunks."""
    return _on_ring(rank, size, ring.all_reduce(size, gather=_GATHER), lambda _: True)


@functools.lru_cache(maxsize=256)
def reduce_scatter(rank: int, size: int) -> Plan:
    """Ring reduce-scatter: rank r wants chunk r."""
    return _on_ring(rank, size, ring.reduce_scatter(size), lambda chunk: chunk == rank)


@functools.lru_cache(maxsize=256)
def all_gather(rank: int, size: int) -> Plan:
    """Ring all-gather: rank r brings chunk r."""
    return _on_ring(rank, size, ring.all_gather(size, direction=_GATHER), lambda _: True)


@functools.lru_cache(maxsize=256)
def broadcast(rank: int, size: int, root: int) -> Plan:
    """Broadcast along the ring of one chunk, 0, from ``root``."""
    rounds = ring.broadcast(size, root=position_of(root, size), chunks=1)
    return make_plan(
        rounds, position_of(rank, size), functools.partial(rank_of, size=size),
        lambda chunk: chunk, lambda _: True,
    )  # fmt: skip


@functools.lru_cache(maxsize=256)
def reduce(rank: int, size: int, root: int) -> Plan:
    """Ring reduce-scatter, then every rank sends the chunk it holds whole to ``root``."""
    end = position_of(root, size)
    last = tuple(Hop(i, end, (i + 1) % size, size, Action.KEEP) for i in range(size) if i != end)
    rounds = (*ring.reduce_scatter(size), last)
    return _on_ring(rank, size, rounds, lambda _: rank == root)


@functools.lru_cache(maxsize=256)
def gather(rank: int, size: int, root: int) -> Plan:
    """Rank r's chunk r straight to ``root``."""
    return _straight(rank, direct.gather(size, root=root))


@functools.lru_cache(maxsize=256)
def scatter(rank: int, size: int, root: int) -> Plan:
    """Chunk r straight from ``root`` to rank r."""
    return _straight(rank, direct.scatter(size, root=root))


@functools.lru_cache(maxsize=256)
def all_to_all(rank: int, size: int) -> Plan:
    """Chunk i·n+j straight from rank i to rank j."""
    return _straight(rank, direct.all_to_all(size))


def _straight(rank: int, rounds: Iterable[Round]) -> Plan:
    return make_plan(rounds, rank, lambda r: r, lambda chunk: chunk, lambda _: True)


def _on_ring(rank: int, size: int, rounds: Iterable[Round], wanted: Callable[[int], bool]) -> Plan:
    return make_plan(
        rounds, position_of(rank, size), functools.partial(rank_of, size=size),
        functools.partial(chunk_of, size=size), wanted,
    )  # fmt: skip
