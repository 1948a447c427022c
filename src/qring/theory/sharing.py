"""Distribution of GHZ copies: its cost, step by step, and the nodes one relies on. Ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from qring.validate import check_among, check_whole

__all__ = ["SOURCES", "Sharing", "Source", "sharing"]


class Source(NamedTuple):
    """Sender of a worker's qubit, whether it is half of a pair, and whether a bit follows."""

    sender: int
    fused: int
    told: int


def _of_star(_worker: int, _workers: int) -> Source:
    return Source(0, 0, 0)


def _of_ring(worker: int, _workers: int) -> Source:
    return Source(worker - 1, 1, 1)


def _of_tree(worker: int, _workers: int) -> Source:
    return Source((worker - 1) // 2, 1, 1)


def _of_groups(worker: int, workers: int) -> Source:
    size = math.ceil(math.sqrt(workers))
    group, place = divmod(worker, size)
    if place:
        return Source(group * size, 0, int(group > 0))
    return Source(worker - size, 1, 1)


SOURCES: dict[str, Callable[[int, int], Source]] = {
    "star": _of_star,
    "ring-pairs": _of_ring,
    "tree-pairs": _of_tree,
    "groups": _of_groups,
}
"""Sender of the qubit of worker k of n, from 1 on, by distribution."""


class Sharing(NamedTuple):
    """Cost of sharing one GHZ copy. Standing: exact.

    ``qubits`` sent, ``pairs`` of them fused, ``bits`` of corrections; ``steps`` one after another
    before everybody has its corrected qubit; ``memory``, the most qubits that a worker keeps at a
    time; ``makers``, workers that make states which others then rely on.
    """

    qubits: int
    pairs: int
    bits: int
    steps: int
    memory: int
    makers: int


def sharing(workers: int, distribution: str) -> Sharing:
    """The cost of one GHZ copy of ``workers`` workers, by its distribution. Ours.

    Raises:
        InputError: no workers, or another distribution.
    """
    check_whole("workers", workers, least=1)
    check_among("distribution", distribution, tuple(SOURCES))
    n = workers
    if n == 1:
        return Sharing(0, 0, 0, 0, 1, 1)
    size = math.ceil(math.sqrt(n))
    groups = -(-n // size)
    if distribution == "star":
        return Sharing(n - 1, 0, 0, 1, n, 1)
    if distribution == "ring-pairs":
        return Sharing(n - 1, n - 1, n - 1, n - 1, 2 if n > 2 else 1, n - 1)
    if distribution == "tree-pairs":
        most = 3 if n > 3 else 2 if n == 3 else 1
        return Sharing(n - 1, n - 1, n - 1, int(math.log2(n)), most, n // 2)
    told = sum(_of_groups(worker, n).told for worker in range(1, n))
    steps = 1 if groups == 1 else groups + 1
    memory = max(size, 1 + min(2, groups - 1))
    return Sharing(n - 1, groups - 1, told, steps, memory, groups)
