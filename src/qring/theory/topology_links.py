"""Carriers of each link in closed form: rings, shards, servers and hierarchies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Bidirectional", "Form", "Hierarchical", "Message", "Ring", "Server", "Shards"]


class Message(NamedTuple):
    """Words of one message, and the number of workers whose words they hold the sum of."""

    words: int
    summed: int


@dataclass(frozen=True, slots=True)
class Form:
    """Standing: exact. The messages of one topology for n workers and D words.

    Subclasses give, each in its own closed form, what a link carries (``link``), whom a node sends
    to (``neighbours``), how often every message occurs over all links (``tally``), the most words
    on a link (``busiest``), and the words that pass one after another (``critical``).
    """

    n: int
    coords: int
    option: str

    def first(self, count: int, chunks: int) -> int:
        """Words in the first ``count`` of ``chunks`` chunks."""
        short, longer = divmod(self.coords, chunks)
        return count * short + min(count, longer)

    def words(self, chunk: int, chunks: int, span: int = 1) -> int:
        """Words in ``span`` chunks from ``chunk`` on."""
        return self.first(chunk + span, chunks) - self.first(chunk, chunks)

    def each(self, chunks: int, times: int, summed: int) -> Iterator[tuple[int, Message]]:
        """Every one of ``chunks`` chunks, ``times`` times."""
        short, longer = divmod(self.coords, chunks)
        yield longer * times, Message(short + 1, summed)
        yield (chunks - longer) * times, Message(short, summed)

    def rounds(self) -> int:
        """Sequential rounds."""
        raise NotImplementedError

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        raise NotImplementedError

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        raise NotImplementedError

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        raise NotImplementedError

    def busiest(self) -> int:
        """Words on the busiest link: of all links, unless a topology knows better."""
        return max(
            (
                sum(message.words for message in self.link(node, other))
                for node in range(self.n)
                for other in self.neighbours(node)
            ),
            default=0,
        )

    def critical(self) -> int:
        """Words of every round's longest message or messages on one link."""
        raise NotImplementedError


class Ring(Form):
    """Scatter-reduce i → i+1; all-gather the same way, or i → i−1."""

    def rounds(self) -> int:
        """Sequential rounds."""
        return 2 * (self.n - 1)

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        return {(node + 1) % self.n, (node - 1) % self.n} - {node}

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        n = self.n
        if dst == (src + 1) % n:
            for t in range(n - 1):
                yield Message(self.words((src - t) % n, n), t + 1)
        if dst == (src + (1 if self.option else -1)) % n:
            ahead = 2 if self.option else 0  # the chunk that never leaves this way
            for k in range(1, n):
                yield Message(self.words((src + ahead + k) % n, n), n)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        for t in range(self.n - 1):
            yield from self.each(self.n, 1, t + 1)
        yield from self.each(self.n, self.n - 1, self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        if self.n == 1:
            return 0
        if self.option or self.n == 2:
            both = {0: 1, 1: 2} if self.option else {0: 1, 1: 0}
            return max(
                2 * self.coords
                - self.words((src + both[0]) % self.n, self.n)
                - self.words((src + both[1]) % self.n, self.n)
                for src in range(self.n)
            )
        return self.coords - self.words(self.n - 1, self.n)

    def critical(self) -> int:
        """Words that pass one after another."""
        return self.rounds() * self.words(0, self.n)


class Bidirectional(Form):
    """Even chunks of 2n travel clockwise in both halves, odd ones the other way."""

    def rounds(self) -> int:
        """Sequential rounds."""
        return 2 * (self.n - 1)

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        return {(node + 1) % self.n, (node - 1) % self.n} - {node}

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        n = self.n
        for step, odd in ((1, 0), (-1, 1)):
            if dst != (src + step) % n:
                continue
            for t in range(n - 1):
                yield Message(self.words(2 * ((src - step * (t + 1)) % n) + odd, 2 * n), t + 1)
                yield Message(self.words(2 * ((src - step * t) % n) + odd, 2 * n), n)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        for t in range(self.n - 1):
            yield from self.each(2 * self.n, 1, t + 1)
        yield from self.each(2 * self.n, self.n - 1, self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        if self.n == 1:
            return 0
        if self.n == 2:
            return self.coords
        n, best = self.n, 0
        for odd, step in ((0, 1), (1, -1)):
            short, longer = divmod(self.coords, 2 * n)
            one_way = n * short + (longer + 1 - odd) // 2
            for src in range(n):
                kept = self.words(2 * src + odd, 2 * n)
                ahead = self.words(2 * ((src + step) % n) + odd, 2 * n)
                best = max(best, 2 * one_way - kept - ahead)
        return best

    def critical(self) -> int:
        """Words that pass one after another."""
        together = 2 if self.n == 2 else 1  # both ways are one link
        return self.rounds() * self.words(0, 2 * self.n, together)


class Shards(Form):
    """Chunk k goes straight to worker k, and its sum straight to everybody."""

    def rounds(self) -> int:
        """Sequential rounds."""
        return 2 * (self.n > 1)

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        return set(range(self.n)) - {node}

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        yield Message(self.words(dst, self.n), 1)
        yield Message(self.words(src, self.n), self.n)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        yield from self.each(self.n, self.n - 1, 1)
        yield from self.each(self.n, self.n - 1, self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        return self.first(2, self.n) if self.n > 1 else 0

    def critical(self) -> int:
        """Words that pass one after another."""
        return self.rounds() * self.words(0, self.n)


class Server(Form):
    """Parameter server: all values to node n, and back."""

    def rounds(self) -> int:
        """Sequential rounds."""
        return 2

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        return set(range(self.n)) if node == self.n else {self.n}

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        if src == self.n:
            yield Message(self.coords, self.n)
        elif dst == self.n:
            yield Message(self.coords, 1)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        yield self.n, Message(self.coords, 1)
        yield self.n, Message(self.coords, self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        return self.coords

    def critical(self) -> int:
        """Words that pass one after another."""
        return 2 * self.coords


class Hierarchical(Form):
    """Rings of g inside m hosts, over blocks of m chunks, and rings of m between them."""

    @property
    def levels(self) -> tuple[int, int]:
        """G workers a host, m hosts."""
        inner, _, outer = self.option.partition("x")
        return int(inner), int(outer)

    def rounds(self) -> int:
        """Sequential rounds."""
        g, m = self.levels
        return 2 * (g - 1) + 2 * (m - 1)

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        g, m = self.levels
        host, number = divmod(node, g)
        return {host * g + (number + 1) % g, (host + 1) % m * g + number} - {node}

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        g, m = self.levels
        (host, number), (other, its) = divmod(src, g), divmod(dst, g)
        if host == other and its == (number + 1) % g:
            for t in range(g - 1):
                yield Message(self.words((number - t - 1) % g * m, self.n, m), t + 1)
                yield Message(self.words((number - t) % g * m, self.n, m), self.n)
        if number == its and other == (host + 1) % m:
            for t in range(m - 1):
                block = number * m
                yield Message(self.words(block + (host - t - 1) % m, self.n), g * (t + 1))
                yield Message(self.words(block + (host - t) % m, self.n), self.n)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        g, m = self.levels
        for number in range(g):
            words = self.words(number * m, self.n, m)
            for t in range(g - 1):
                yield m, Message(words, t + 1)
            yield m * (g - 1), Message(words, self.n)
        for t in range(m - 1):
            yield from self.each(self.n, 1, g * (t + 1))
        yield from self.each(self.n, m - 1, self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        g, m = self.levels
        best = 0
        for number in range(g):
            block = self.words(number * m, self.n, m)
            if g > 1:
                ahead = self.words((number + 1) % g * m, self.n, m)
                best = max(best, 2 * self.coords - block - ahead)
            for host in range(m) if m > 1 else ():
                one = self.words(number * m + host, self.n)
                ahead = self.words(number * m + (host + 1) % m, self.n)
                best = max(best, 2 * block - one - ahead)
        return best

    def critical(self) -> int:
        """Words that pass one after another."""
        g, m = self.levels
        return 2 * (g - 1) * self.first(m, self.n) + 2 * (m - 1) * self.first(1, self.n)
