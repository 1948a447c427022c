"""Trees: sums travel up to a root and back down, in segments that follow one another.

A tree is given by its parents: ``parents[k]`` is the node above k, and −1 that of the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from qring.errors import InputError
from qring.schedule.hops import Action, Hop, Round

__all__ = [
    "all_gather", "all_reduce", "balanced", "binary", "broadcast", "complementary", "levels",
    "reduce", "reduce_scatter",
]  # fmt: skip

Parents = tuple[int, ...]


def balanced(workers: int) -> Parents:
    """A binary tree filled level by level: the parent of k is ⌊(k−1)/2⌋."""
    return tuple((k - 1) // 2 if k else -1 for k in range(workers))


def binary(workers: int) -> Parents:
    """A binary tree in whose order of depth-first visits nodes are numbered: odd ones are leaves.

    Source: Sanders, Speck and Träff, Two-tree algorithms for full bandwidth broadcast, reduction
    and scan (2009), in the numbering that NCCL uses.
    """
    parents = [-1] * workers
    for k in range(1, workers):
        bit = k & -k
        up = (k ^ bit) | (bit << 1)
        parents[k] = up if up < workers else k ^ bit
    return tuple(parents)


def complementary(workers: int) -> Parents:
    """The second of two trees: the inner nodes of :func:`binary` are leaves here.

    For an even number it is the mirror image, for an odd one it is shifted by one.
    """
    n, first = workers, binary(workers)
    if n % 2:
        return tuple(_moved(first[(k - 1) % n], 1, n) for k in range(n))
    return tuple(n - 1 - first[n - 1 - k] if first[n - 1 - k] >= 0 else -1 for k in range(n))


def levels(parents: Parents) -> tuple[int, ...]:
    """Distance of every node from the root.

    Raises:
        InputError: no root, several, or nodes whose parents form a circle.
    """
    n = len(parents)
    roots = [k for k, parent in enumerate(parents) if parent == -1]
    if len(roots) != 1:
        raise InputError(f"a tree has one root (parent -1); these parents have {len(roots)}")
    for k, parent in enumerate(parents):
        if not -1 <= parent < n:
            raise InputError(f"the parent of node {k} is {parent}; nodes are 0..{n - 1}")
    found = [-1] * n
    found[roots[0]] = 0
    for k in range(n):
        path: list[int] = []
        node = k
        while found[node] < 0:
            if node in path:
                circle = " → ".join(map(str, (*path[path.index(node) :], node)))
                raise InputError(f"the parents form a circle: {circle}")
            path.append(node)
            node = parents[node]
        for step, below in enumerate(reversed(path), 1):
            found[below] = found[node] + step
    return tuple(found)


def all_reduce(trees: Sequence[Parents], segments: int) -> Iterator[Round]:
    """Yield 2·depth + segments − 1 rounds that sum ``segments`` chunks a tree.

    Chunks 0..segments−1 travel on the first tree, the next as many on the second. A node at level
    l sends segment s up in round s + depth − l, and down to its children in round s + depth + l.
    """
    yield from _merged([_up_and_down(tree, k * segments, segments) for k, tree in enumerate(trees)])


def broadcast(trees: Sequence[Parents], segments: int) -> Iterator[Round]:
    """Yield depth + segments − 1 rounds that spread chunks from the root of each tree.

    All trees must have the same root.
    """
    yield from _merged([_down(tree, k * segments, segments, 1) for k, tree in enumerate(trees)])


def reduce(trees: Sequence[Parents], segments: int) -> Iterator[Round]:
    """Yield depth + segments − 1 rounds that sum chunks at the root of each tree."""
    yield from _merged([_up(tree, k * segments, segments) for k, tree in enumerate(trees)])


def all_gather(trees: Sequence[Parents]) -> Iterator[Round]:
    """Yield the rounds in which every chunk floods its tree from its owner.

    With t trees, worker i owns chunks t·i to t·i+t−1, one a tree. There are as many rounds as the
    longest path of a tree has links.
    """
    for hops in _floods(trees):
        yield tuple(Hop(src, dst, chunk, 1, Action.KEEP) for src, dst, chunk, _ in hops)


def reduce_scatter(trees: Sequence[Parents]) -> Iterator[Round]:
    """Yield the rounds of an all-gather backwards: contributions flow together at the owners."""
    for hops in reversed(_floods(trees)):
        yield tuple(Hop(dst, src, chunk, below, Action.ADD) for src, dst, chunk, below in hops)


def _up_and_down(parents: Parents, first: int, segments: int) -> list[list[Hop]]:
    depth, n = max(levels(parents)), len(parents)
    up, down = _up(parents, first, segments), _down(parents, first, segments, n)
    rounds: list[list[Hop]] = [[] for _ in range(2 * depth + segments - 1 if depth else 0)]
    for t, hops in enumerate(up):
        rounds[t] += hops
    for t, hops in enumerate(down):
        rounds[t + depth] += hops
    return rounds


def _up(parents: Parents, first: int, segments: int) -> list[list[Hop]]:
    level, below = levels(parents), _subtrees(parents)
    depth = max(level)
    rounds: list[list[Hop]] = [[] for _ in range(depth + segments - 1 if depth else 0)]
    for s in range(segments):
        for k, parent in enumerate(parents):
            if parent >= 0:
                hop = Hop(k, parent, first + s, below[k], Action.ADD)
                rounds[s + depth - level[k]].append(hop)
    return rounds


def _down(parents: Parents, first: int, segments: int, summed: int) -> list[list[Hop]]:
    level = levels(parents)
    depth = max(level)
    rounds: list[list[Hop]] = [[] for _ in range(depth + segments - 1 if depth else 0)]
    for s in range(segments):
        for k, parent in enumerate(parents):
            if parent >= 0:
                hop = Hop(parent, k, first + s, summed, Action.KEEP)
                rounds[s + level[parent]].append(hop)
    return rounds


def _subtrees(parents: Parents) -> list[int]:
    """Number of nodes in the subtree under every node, with itself."""
    level, sizes = levels(parents), [1] * len(parents)
    for k in sorted(range(len(parents)), key=lambda k: -level[k]):
        if parents[k] >= 0:
            sizes[parents[k]] += sizes[k]
    return sizes


def _merged(parts: Sequence[list[list[Hop]]]) -> Iterator[Round]:
    for t in range(max(map(len, parts))):
        yield tuple(hop for part in parts if t < len(part) for hop in part[t])


@lru_cache(maxsize=8)
def _floods_of(trees: tuple[Parents, ...]) -> tuple[tuple[tuple[int, int, int, int], ...], ...]:
    rounds: list[list[tuple[int, int, int, int]]] = []
    for number, parents in enumerate(trees):
        neighbours: list[list[int]] = [[] for _ in parents]
        for k, parent in enumerate(parents):
            if parent >= 0:
                neighbours[k].append(parent)
                neighbours[parent].append(k)
        for owner in range(len(parents)):
            chunk = owner * len(trees) + number
            order, above = [owner], {owner: -1}
            distance = {owner: 0}
            for node in order:
                for other in neighbours[node]:
                    if other not in above:
                        above[other], distance[other] = node, distance[node] + 1
                        order.append(other)
            sizes = dict.fromkeys(order, 1)
            for node in reversed(order[1:]):
                sizes[above[node]] += sizes[node]
            for node in order[1:]:
                t = distance[node] - 1
                rounds += [[] for _ in range(t + 1 - len(rounds))]
                rounds[t].append((above[node], node, chunk, sizes[node]))
    return tuple(tuple(hops) for hops in rounds)


def _floods(trees: Sequence[Parents]) -> tuple[tuple[tuple[int, int, int, int], ...], ...]:
    """For each round, (sender, receiver, chunk, nodes that the chunk reaches by this message)."""
    for parents in trees:
        levels(parents)
    return _floods_of(tuple(trees))


def _moved(node: int, by: int, n: int) -> int:
    return (node + by) % n if node >= 0 else -1
