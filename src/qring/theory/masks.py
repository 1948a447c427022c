"""Carriers that making masks takes, link by link, in closed form."""

from __future__ import annotations

from types import MappingProxyType

from qring.ledger import Carrier, Ledger, Phase
from qring.theory.resources import RingResources

__all__ = ["key_ledger", "mask_ledger"]

_Key = tuple[int, int, Phase, Carrier]


def mask_ledger(
    workers: int,
    *,
    sum_bits: int,
    words: int,
    tests: int,
    checks: int,
    repeats: int = 1,
    syndromes: int = 0,
    block: int = 1 << 16,
) -> Ledger:
    """Account of ``words`` random words summed on GHZ copies, with tests and checks.

    Worker 0 makes every copy. Of each digit of a ``block`` of words, outcomes are XORed around the
    ring; of each test, each check and each of ``syndromes`` words, everybody tells everybody,
    checks being committed to first: 256 bits, and 256 more that open them. All of it is setup.
    Standing: exact. Ours.
    """
    counts: dict[_Key, int] = {}
    for dst in range(1, workers):
        counts[0, dst, Phase.SETUP, Carrier.QUBIT] = words * sum_bits * repeats + tests
    told = tests + syndromes * sum_bits + (checks * sum_bits + 512 if checks else 0)
    for src in range(workers):
        for dst in range(workers):
            if src != dst:
                counts[src, dst, Phase.SETUP, Carrier.BIT] = told
    for start in range(0, words, block):
        announced = min(block, words - start) * repeats
        ring = RingResources(workers=workers, coords=announced, word_bits=1, width="float")
        for src in range(workers):
            for dst in {(src + 1) % workers, (src - 1) % workers}:
                load = ring.link(src, dst).bits
                counts[src, dst, Phase.SETUP, Carrier.BIT] += load * sum_bits
    return Ledger(MappingProxyType(counts))


def key_ledger(workers: int, *, pairs: int, tests: int, told: int) -> Ledger:
    """Account of a key between any two workers: pairs, tests told both ways, and a syndrome.

    Standing: exact.
    """
    counts: dict[_Key, int] = {}
    for first in range(workers):
        for second in range(first + 1, workers):
            counts[first, second, Phase.SETUP, Carrier.QUBIT] = pairs
            counts[first, second, Phase.SETUP, Carrier.BIT] = tests + told
            counts[second, first, Phase.SETUP, Carrier.BIT] = tests
    return Ledger(MappingProxyType(counts))
