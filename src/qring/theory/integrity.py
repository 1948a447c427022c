"""Cost and failure probability of the check after a masked ring, in closed form.

Ours; the bound is that of polynomial hashing over GF(2^m).
"""

from __future__ import annotations

import math
from types import MappingProxyType

from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase

__all__ = ["announced_bits", "blame_ledger", "check_ledger", "field_degree", "missed_at_most"]


def missed_at_most(coords: int, degree: int) -> float:
    """Probability that a wrong result of ``coords`` words passes: (d−1)/2^m.

    Standing: bound, for words of any width.
    """
    return float(min(1.0, (coords - 1) / 2**degree))


def field_degree(coords: int, epsilon: float) -> int:
    """M = ⌈log2((d−1)/ε)⌉: 60 at 10⁶ coordinates and 2^−40. Standing: bound.

    Raises:
        InputError: no coordinates, or ε outside (0, 1).
    """
    if coords < 1 or not 0 < epsilon < 1:
        raise InputError(f"d is at least 1 and ε in (0, 1), not {coords} and {epsilon}")
    return max(1, math.ceil(math.log2(max(1, coords - 1)) - math.log2(epsilon) - 1e-9))


def announced_bits(coords: int, sum_bits: int, epsilon: float) -> int:
    """2·m·B: bits that each worker tells everybody, 2,400 at d = 10⁶, B = 20 and 2^−40.

    Standing: exact, for m ≤ 62.
    """
    return 2 * field_degree(coords, epsilon) * sum_bits


def check_ledger(workers: int, coords: int, sum_bits: int, epsilon: float) -> Ledger:
    """Account of one check: one round in which everybody tells everybody. Standing: exact."""
    return _told(workers, announced_bits(coords, sum_bits, epsilon))


def blame_ledger(workers: int, coords: int, sum_bits: int, epsilon: float) -> Ledger:
    """Account of finding the link that changed a message, after a failed check.

    A worker sends and receives 2(n−1) messages, and tells a hash of m·B bits of each. Standing:
    exact.
    """
    told = 4 * (workers - 1) * field_degree(coords, epsilon) * sum_bits
    return _told(workers, told)


def _told(workers: int, bits: int) -> Ledger:
    counts = {
        (src, dst, Phase.ONLINE, Carrier.BIT): bits
        for src in range(workers)
        for dst in range(workers)
        if src != dst
    }
    return Ledger(MappingProxyType(counts), 1)
