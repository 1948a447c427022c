"""Carriers of each link in closed form: trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from qring.theory.topology_links import Form, Message

__all__ = ["Trees", "TwoTrees"]


class Trees(Form):
    """Sums go up to the root and down again, a segment a round, on one tree or two."""

    def parents(self) -> tuple[tuple[int, ...], ...]:
        """Parent of every node in each tree."""
        return (tuple((k - 1) // 2 if k else -1 for k in range(self.n)),)

    def below(self, tree: int) -> list[int]:
        """Nodes of the subtree under every node, with itself."""
        n, found = self.n, []
        for node in range(n):
            count, left, width = 0, node, 1
            while left < n:
                count += min(width, n - left)
                left, width = 2 * left + 1, 2 * width
            found.append(count)
        return found

    def depths(self) -> list[int]:
        """Links from the farthest node to the root, of each tree."""
        return [self.n.bit_length() - 1]

    @property
    def segments(self) -> int:
        """Segments of each tree."""
        return int(self.option or 4)

    @property
    def chunks(self) -> int:
        """Segments of all trees."""
        return self.segments * len(self.parents())

    def rounds(self) -> int:
        """Sequential rounds."""
        return 0 if self.n == 1 else 2 * max(self.depths()) + self.segments - 1

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        found = set()
        for parents in self.parents():
            found |= {k for k, parent in enumerate(parents) if parent == node}
            found |= {parents[node]}
        return found - {-1}

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        for tree, parents in enumerate(self.parents()):
            if parents[src] == dst:
                summed = self.below(tree)[src]
            elif parents[dst] == src:
                summed = self.n
            else:
                continue
            for segment in range(self.segments):
                yield Message(self.words(tree * self.segments + segment, self.chunks), summed)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        for tree, parents in enumerate(self.parents()):
            sizes: dict[int, int] = {}
            for segment in range(self.segments):
                words = self.words(tree * self.segments + segment, self.chunks)
                sizes[words] = sizes.get(words, 0) + 1
            below = self.below(tree)
            for node, parent in enumerate(parents):
                for words, times in sizes.items() if parent >= 0 else ():
                    yield times, Message(words, below[node])
                    yield times, Message(words, self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        shared: dict[tuple[int, int], int] = {}
        for tree, parents in enumerate(self.parents()):
            words = self.words(tree * self.segments, self.chunks, self.segments)
            for node, parent in enumerate(parents):
                for ends in ((node, parent), (parent, node)) if parent >= 0 else ():
                    shared[ends] = shared.get(ends, 0) + words
        return max(shared.values(), default=0)

    def critical(self) -> int:
        """Words that pass one after another."""
        if self.n == 1:
            return 0
        return (2 * self.depths()[0] - 1) * self.words(0, self.chunks) + self.coords


class TwoTrees(Trees):
    """Two binary trees, half of the words each; the leaves of one are inner nodes of the other."""

    def parents(self) -> tuple[tuple[int, ...], ...]:
        """Parent of every node in each tree."""
        return _two_trees(self.n)

    def below(self, tree: int) -> list[int]:
        """Nodes of the subtree under every node, with itself."""
        n = self.n
        found = [n, *(min(2 * (k & -k) - 1, n - 1 - k + (k & -k)) for k in range(1, n))]
        if tree == 0:
            return found
        return found[::-1] if n % 2 == 0 else [found[-1], *found[:-1]]

    def depths(self) -> list[int]:
        """Links from the farthest node to the root, of each tree."""
        return [max(levels) for levels in _levels_of_two(self.n)]

    def critical(self) -> int:
        """Words that pass one after another."""
        uses: dict[tuple[int, int], list[tuple[int, int]]] = {}  # first round, tree
        trees = zip(self.parents(), _levels_of_two(self.n), strict=True)
        for tree, (parents, levels) in enumerate(trees):
            depth = max(levels)
            for node, parent in enumerate(parents):
                if parent >= 0:
                    uses.setdefault((node, parent), []).append((depth - levels[node], tree))
                    uses.setdefault((parent, node), []).append((depth + levels[parent], tree))
        most = [0] * self.rounds()
        for used in {tuple(sorted(found)) for found in uses.values()}:
            loads = [0] * len(most)
            for start, tree in used:
                for segment in range(self.segments):
                    chunk = tree * self.segments + segment
                    loads[start + segment] += self.words(chunk, self.chunks)
            most = list(map(max, most, loads))
        return sum(most)


@lru_cache(maxsize=8)
def _two_trees(n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first = [-1] * n
    for k in range(1, n):
        bit = k & -k
        up = k - bit + 2 * bit if k & 2 * bit == 0 else k - bit
        first[k] = up if up < n else k - bit
    if n % 2:
        second = [(first[k - 1] + 1) % n if first[k - 1] >= 0 else -1 for k in range(n)]
    else:
        second = [n - 1 - parent if parent >= 0 else -1 for parent in reversed(first)]
    return tuple(first), tuple(second)


@lru_cache(maxsize=8)
def _levels_of_two(n: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Links from every node to the root, in each tree."""

    def level(parents: tuple[int, ...], node: int) -> int:
        steps = 0
        while parents[node] >= 0:
            steps, node = steps + 1, parents[node]
        return steps

    first, second = _two_trees(n)
    return (
        tuple(level(first, k) for k in range(n)),
        tuple(level(second, k) for k in range(n)),
    )
