"""Sparse graphs of pairwise masks: each worker shares keys with k neighbours, not with everybody.

Source: Bell, Bonawitz, Gascón, Lepoint and Raykova, Secure single-server aggregation with
(poly)logarithmic overhead (CCS 2020): Harary graphs on workers in random order, theorem 3.10. The
conditions here are exact hypergeometric tails with union bounds, and the first is stronger than
theirs: it withstands a server that tells neighbours of a worker different stories.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass

from qring.errors import InputError
from qring.validate import check_probability, check_whole

__all__ = ["Graph", "Neighbourhood", "Neighbours"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Rates for which a sparse graph keeps its promises.

    Args:
        dropout: share of workers that may be lost in a sum, [0, 1). More end it.
        corruption: share of workers that may collude with the server, [0, 1); never less than the
            server's own worker.
        failure: probability, over the graph, that corrupt workers and a server that lies uncover a
            worker's word, or that the honest survivors fall apart, so that sums of parts are told.
        abort: probability that a worker has too few neighbours left although no more than
            ``dropout`` are lost; the sum then ends without a result, and nothing is told.
    """

    dropout: float = 0.05
    corruption: float = 0.05
    failure: float = 2.0**-40
    abort: float = 2.0**-20

    def __post_init__(self) -> None:
        check_probability("dropout", self.dropout, one=False)
        check_probability("corruption", self.corruption, one=False)
        check_probability("failure", self.failure, zero=False, one=False)
        check_probability("abort", self.abort, zero=False, one=False)

    def plan(self, workers: int) -> Neighbourhood:
        """Fewest neighbours, and a threshold, that keep these promises among ``workers``.

        Standing: bound, finite size. Who drops out must not depend on the graph, but for workers
        that the server silences: it could cut the graph by silencing two runs of k/2 neighbours.

        Raises:
            InputError: no graph keeps them, the complete one included.
        """
        check_whole("workers", workers, least=3)
        corrupt = max(1, math.floor(self.corruption * workers))
        lost = math.floor(self.dropout * workers)
        for degree in range(2, workers - 1, 2):
            if _cut(workers, corrupt + lost, degree) > self.failure / 2:
                continue
            allowed = self.failure / (2 * workers)
            near = _quantile(workers - 1, corrupt, degree, allowed)
            threshold = (degree + 1 + near) // 2 + 1
            spare = degree - threshold
            if spare < 0 or workers * _tail(workers - 1, lost, degree, spare) > self.abort:
                continue
            return Neighbourhood(
                workers=workers, degree=degree, threshold=threshold,
                lost=lost, corrupt=corrupt, corrupt_near=near, rates=self,
            )  # fmt: skip
        threshold = (workers + corrupt) // 2 + 1
        if threshold > workers - max(lost, 1):
            raise InputError(
                f"no graph of {workers} workers withstands {corrupt} corrupt and {lost} lost ones: "
                "more than half of what is left after losses must be honest; lower dropout or "
                "corruption"
            )
        return Neighbourhood(
            workers=workers, degree=workers - 1, threshold=threshold,
            lost=lost, corrupt=corrupt, corrupt_near=corrupt, rates=self,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """A degree k and a threshold t that were computed for stated rates.

    A secret has k + 1 holders, its owner and the neighbours; t of them recover it. At most
    ``corrupt_near`` of a worker's neighbours are corrupt, but with the stated probability.
    """

    workers: int
    degree: int
    threshold: int
    lost: int
    corrupt: int
    corrupt_near: int
    rates: Neighbours

    def __str__(self) -> str:
        return (
            f"{self.degree} neighbours each of {self.workers:,} workers, threshold "
            f"{self.threshold} of {self.degree + 1} holders: up to {self.lost:,} lost and "
            f"{self.corrupt:,} corrupt workers, failure at most {self.rates.failure:.2g}, "
            f"abort at most {self.rates.abort:.2g} (bound)"
        )


class Graph:
    """A Harary graph on workers in random order, drawn from a public seed of 32 bytes.

    Workers stand on a circle in the order of SHA-256(seed, worker as 4 bytes); each is a neighbour
    of the k/2 next ones on both sides.
    """

    __slots__ = ("_circle", "_place", "degree", "threshold", "workers")

    def __init__(self, neighbourhood: Neighbourhood, seed: bytes) -> None:
        self.workers = neighbourhood.workers
        self.degree = neighbourhood.degree
        self.threshold = neighbourhood.threshold
        digests = [
            hashlib.sha256(seed + worker.to_bytes(4, "big")).digest()
            for worker in range(self.workers)
        ]
        self._circle = sorted(range(self.workers), key=digests.__getitem__)
        self._place = {worker: place for place, worker in enumerate(self._circle)}

    def around(self, worker: int) -> tuple[int, ...]:
        """Neighbours of ``worker``, in ascending order."""
        if self.degree >= self.workers - 1:
            return tuple(other for other in range(self.workers) if other != worker)
        at, half = self._place[worker], self.degree // 2
        near = [self._circle[(at + way) % self.workers] for way in range(-half, half + 1) if way]
        return tuple(sorted(near))

    def connected(self, present: Collection[int]) -> bool:
        """Whether ``present`` workers hang together without the others."""
        if self.degree >= self.workers - 1:
            return True
        here = set(present)
        gaps, run = 0, 0
        first = next((k for k, worker in enumerate(self._circle) if worker in here), 0)
        for step in range(1, self.workers + 1):
            if self._circle[(first + step) % self.workers] in here:
                gaps += run >= self.degree // 2
                run = 0
            else:
                run += 1
        return gaps < 2


def _tail(population: int, marked: int, drawn: int, most: int) -> float:
    """P[more than ``most`` of ``drawn`` are marked], drawn without return; hypergeometric."""
    whole = math.comb(population, drawn)
    ways = sum(
        math.comb(marked, k) * math.comb(population - marked, drawn - k)
        for k in range(most + 1, min(marked, drawn) + 1)
    )
    return ways / whole


def _quantile(population: int, marked: int, drawn: int, allowed: float) -> int:
    """Least m with P[more than m of ``drawn`` are marked] ≤ ``allowed``."""
    whole = math.comb(population, drawn)
    room, beyond = int(allowed * 2.0**200) * whole >> 200, 0
    most = min(marked, drawn)
    while most >= 0:
        beyond += math.comb(marked, most) * math.comb(population - marked, drawn - most)
        if beyond > room:
            break
        most -= 1
    return max(most, 0)


def _cut(workers: int, removed: int, degree: int) -> float:
    """Bound on the probability that ``removed`` workers at random cut the graph.

    A cut takes two disjoint runs of k/2 removed workers on the circle: k given places, all removed.
    """
    if removed < degree:
        return 0.0
    chance = math.comb(workers, 2) * 1.0
    for k in range(degree):
        chance *= (removed - k) / (workers - k)
    return chance
