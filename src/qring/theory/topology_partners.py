"""Carriers of each link in closed form: exchanges between partners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qring.theory.topology_links import Form, Message

__all__ = ["Folded", "Halving"]


class Folded(Form):
    """Partners of recursive exchanges: p = 2^k of them, the first r standing for two workers."""

    @property
    def p(self) -> int:
        """Partners."""
        return 1 << (self.n.bit_length() - 1)

    @property
    def r(self) -> int:
        """Partners that stand for two workers."""
        return self.n - self.p

    def worker(self, partner: int) -> int:
        """The worker that is a partner."""
        return partner + min(partner, self.r)

    def partner(self, worker: int) -> int | None:
        """The partner that a worker is; ``None`` for the other worker of a pair."""
        if worker >= 2 * self.r:
            return worker - self.r
        return None if worker % 2 else worker // 2

    def distances(self) -> list[int]:
        """1, 2, 4, …, p/2."""
        return [1 << k for k in range(self.p.bit_length() - 1)]

    def rounds(self) -> int:
        """Sequential rounds."""
        return self.per_distance * len(self.distances()) + 2 * (self.r > 0)

    def neighbours(self, node: int) -> set[int]:
        """Nodes that a node sends to."""
        partner = self.partner(node)
        if partner is None:
            return {node - 1}
        found = {self.worker(partner ^ distance) for distance in self.distances()}
        return found | {node + 1} if partner < self.r else found

    def link(self, src: int, dst: int) -> Iterator[Message]:
        """Messages of the link from ``src`` to ``dst``."""
        one, other = self.partner(src), self.partner(dst)
        if one is None:
            if dst == src - 1:
                yield Message(self.coords, 1)
        elif other is None:
            if src == dst - 1:
                yield Message(self.coords, self.n)
        elif (one ^ other) in self.distances():
            yield from self.exchange(one, one ^ other)

    def tally(self) -> Iterable[tuple[int, Message]]:
        """(times, message) over all links."""
        yield self.r, Message(self.coords, 1)
        yield self.r, Message(self.coords, self.n)
        for distance in self.distances():
            yield from self.exchanges(distance)

    @property
    def per_distance(self) -> int:
        """Rounds at each distance."""
        return 1

    def exchanges(self, distance: int) -> Iterator[tuple[int, Message]]:
        """(times, message) of all that is exchanged at a distance."""
        full, part = divmod(self.r, distance)  # groups of that many partners, by their pairs
        yield full * distance, Message(self.coords, 2 * distance)
        if full * distance < self.p:
            yield distance, Message(self.coords, distance + part)
            rest = self.p - (full + 1) * distance
            yield rest, Message(self.coords, distance)

    def exchange(self, partner: int, distance: int) -> Iterator[Message]:
        """Message of a partner to the one at a distance."""
        group = partner - partner % distance
        paired = max(0, min(self.r, group + distance) - group)
        yield Message(self.coords, distance + paired)

    def busiest(self) -> int:
        """Words on the busiest link."""
        return self.coords if self.n > 1 else 0

    def critical(self) -> int:
        """Words that pass one after another."""
        return (len(self.distances()) + 2 * (self.r > 0)) * self.coords


class Halving(Folded):
    """Halves of what is left are exchanged from afar to near, and sums back again."""

    @property
    def per_distance(self) -> int:
        """Rounds at each distance."""
        return 2

    def exchanges(self, distance: int) -> Iterator[tuple[int, Message]]:
        """(times, message) of all that is exchanged at a distance."""
        step = 2 * distance
        every, more = divmod(self.r, step)
        for start in range(0, self.p, step):
            for mine, theirs in ((0, distance), (distance, 0)):
                extra = max(0, min(more - mine, distance))
                words = self.words(start + theirs, self.p, distance)
                yield extra, Message(words, self.p // step + every + 1)
                yield distance - extra, Message(words, self.p // step + every)
                yield distance, Message(self.words(start + mine, self.p, distance), self.n)

    def exchange(self, partner: int, distance: int) -> Iterator[Message]:
        """Messages from a partner to the one at a distance."""
        theirs = (partner ^ distance) - partner % distance
        step = 2 * distance
        alike = partner % step  # partners whose contributions are here are as far apart as step
        paired = max(0, -(-(self.r - alike) // step))
        summed = self.p // step + paired
        yield Message(self.words(theirs, self.p, distance), summed)
        yield Message(self.words(partner - partner % distance, self.p, distance), self.n)

    def busiest(self) -> int:
        """Words on the busiest link."""
        if self.r or self.p == 2:
            return self.coords
        return self.coords if self.p > 1 else 0

    def critical(self) -> int:
        """Words that pass one after another."""
        halves = sum(self.first(distance, self.p) for distance in self.distances())
        return 2 * halves + 2 * self.coords * (self.r > 0)
