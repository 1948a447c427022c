"""Two levels: rings inside each of m hosts of g workers, and rings between the hosts.

Worker h·g + l is number l on host h.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qring.schedule.hops import Action, Hop, Round

__all__ = ["all_gather", "all_reduce", "broadcast", "by_leaders", "reduce_scatter"]


def all_reduce(inner: int, outer: int) -> Iterator[Round]:
    """Yield 2(g−1) + 2(m−1) rounds over g·m chunks; both halves of a ring run clockwise.

    Reduce-scatter inside the hosts leaves number l with m chunks from l·m on, which rings between
    the hosts sum; all-gather inside the hosts spreads them.
    """
    g, m = inner, outer
    for t in range(g - 1):
        yield tuple(
            Hop(h * g + i, h * g + (i + 1) % g, (i - t - 1) % g * m, t + 1, Action.ADD, m)
            for h in range(m)
            for i in range(g)
        )
    for t in range(m - 1):
        yield tuple(
            Hop(h * g + i, (h + 1) % m * g + i, i * m + (h - t - 1) % m, g * (t + 1), Action.ADD)
            for h in range(m)
            for i in range(g)
        )
    for t in range(m - 1):
        yield tuple(
            Hop(h * g + i, (h + 1) % m * g + i, i * m + (h - t) % m, g * m, Action.KEEP)
            for h in range(m)
            for i in range(g)
        )
    for t in range(g - 1):
        yield tuple(
            Hop(h * g + i, h * g + (i + 1) % g, (i - t) % g * m, g * m, Action.KEEP, m)
            for h in range(m)
            for i in range(g)
        )


def reduce_scatter(inner: int, outer: int) -> Iterator[Round]:
    """Yield (g−1) + (m−1) rounds over n chunks, of which worker k ends up with chunk k.

    Chunks h·g + l of all hosts h travel together inside the hosts, one message each.
    """
    g, m = inner, outer
    for t in range(g - 1):
        yield tuple(
            Hop(h * g + i, h * g + (i + 1) % g, k * g + (i - t - 1) % g, t + 1, Action.ADD)
            for k in range(m)
            for h in range(m)
            for i in range(g)
        )
    for t in range(m - 1):
        yield tuple(
            Hop(h * g + i, (h + 1) % m * g + i, (h - t - 1) % m * g + i, g * (t + 1), Action.ADD)
            for h in range(m)
            for i in range(g)
        )


def all_gather(inner: int, outer: int) -> Iterator[Round]:
    """Yield (m−1) + (g−1) rounds over n chunks, of which worker k brings chunk k."""
    g, m = inner, outer
    for t in range(m - 1):
        yield tuple(
            Hop(h * g + i, (h + 1) % m * g + i, (h - t) % m * g + i, 1, Action.KEEP)
            for h in range(m)
            for i in range(g)
        )
    for t in range(g - 1):
        yield tuple(
            Hop(h * g + i, h * g + (i + 1) % g, k * g + (i - t) % g, 1, Action.KEEP)
            for k in range(m)
            for h in range(m)
            for i in range(g)
        )


def broadcast(inner: int, outer: int, *, root: int) -> Iterator[Round]:
    """Yield (m−1) + (g−1) rounds of one chunk: along the hosts, then around inside each."""
    g, m = inner, outer
    host, number = divmod(root, g)
    for t in range(m - 1):
        at, to = (host + t) % m, (host + t + 1) % m
        yield (Hop(at * g + number, to * g + number, 0, 1, Action.KEEP),)
    for t in range(g - 1):
        at, to = (number + t) % g, (number + t + 1) % g
        yield tuple(Hop(h * g + at, h * g + to, 0, 1, Action.KEEP) for h in range(m))


def by_leaders(hosts: Sequence[Sequence[int]]) -> Iterator[Round]:
    """Yield 2 + 2(m−1) rounds over m chunks for hosts of any sizes.

    Everybody sends to the first worker of its host; these leaders form a ring, and hand the sum
    back.
    """
    m = len(hosts)
    sizes = [len(host) for host in hosts]
    workers = sum(sizes)
    up = tuple(Hop(w, host[0], 0, 1, Action.ADD, m) for host in hosts for w in host[1:])
    if up:
        yield up
    for t in range(m - 1):
        yield tuple(
            Hop(
                hosts[h][0], hosts[(h + 1) % m][0], (h - t - 1) % m,
                sum(sizes[(h - k) % m] for k in range(t + 1)), Action.ADD,
            )
            for h in range(m)
        )  # fmt: skip
    for t in range(m - 1):
        yield tuple(
            Hop(hosts[h][0], hosts[(h + 1) % m][0], (h - t) % m, workers, Action.KEEP)
            for h in range(m)
        )
    down = tuple(Hop(host[0], w, 0, workers, Action.KEEP, m) for host in hosts for w in host[1:])
    if down:
        yield down
