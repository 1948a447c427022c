"""A parameter server: everything goes to one node and comes back.

The server is a node of its own, numbered after the workers, or one of the workers.
"""

from __future__ import annotations

from collections.abc import Iterator

from qring.schedule.hops import Action, Hop, Round

__all__ = ["all_gather", "all_reduce", "broadcast", "reduce_scatter"]


def all_reduce(workers: int, *, server: int) -> Iterator[Round]:
    """Yield two rounds over one chunk: all contributions to the server, the sum to everybody."""
    yield from _up(workers, server, 1)
    yield from _down(workers, server, 1, workers)


def reduce_scatter(workers: int, *, server: int) -> Iterator[Round]:
    """Yield two rounds over n chunks: all to the server, the sum of chunk k to worker k."""
    yield from _up(workers, server, workers)
    hops = tuple(Hop(server, k, k, workers, Action.KEEP) for k in range(workers) if k != server)
    if hops:
        yield hops


def all_gather(workers: int, *, server: int) -> Iterator[Round]:
    """Yield two rounds over n chunks: chunk k from worker k to the server, all to everybody."""
    hops = tuple(Hop(k, server, k, 1, Action.KEEP) for k in range(workers) if k != server)
    if hops:
        yield hops
    yield from _down(workers, server, workers, 1)


def broadcast(workers: int, *, server: int, root: int) -> Iterator[Round]:
    """Yield the rounds from ``root`` to the server, if it is another node, and to the others."""
    if server != root and workers > 1:
        yield (Hop(root, server, 0, 1, Action.KEEP),)
    hops = [Hop(server, k, 0, 1, Action.KEEP) for k in range(workers) if k not in (server, root)]
    if hops:
        yield tuple(hops)


def _up(workers: int, server: int, chunks: int) -> Iterator[Round]:
    senders = [k for k in range(workers) if k != server]
    # A server of its own brings nothing: the first that comes is kept, the others are added.
    first = Action.KEEP if server >= workers else Action.ADD
    if senders:
        yield tuple(
            Hop(k, server, 0, 1, first if k == senders[0] else Action.ADD, chunks) for k in senders
        )


def _down(workers: int, server: int, chunks: int, summed: int) -> Iterator[Round]:
    hops = tuple(
        Hop(server, k, 0, summed, Action.KEEP, chunks) for k in range(workers) if k != server
    )
    if hops:
        yield hops
