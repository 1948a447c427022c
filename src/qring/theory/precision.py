"""Precision of sums read from phases of GHZ states, and the copies it takes.

Sources: paper section 3.3 (definition 1, theorem 1, remark 2); what is not in the paper is marked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Meter, Phase
from qring.theory.capacity import binary_entropy
from qring.theory.sharing import SOURCES
from qring.validate import check_among

__all__ = [
    "fisher_bound",
    "fisher_with_leak",
    "ghz_ledger",
    "majority_failure",
    "sequential_copies",
    "sequential_error",
    "shannon_copies",
    "shot_copies",
    "split_quadrature_information",
]


def fisher_bound(weights: Sequence[float]) -> float:
    """Quantum Fisher information of Σ w_i x_i per copy, at most: Λ², Λ = Σ|w_i|. Standing: bound.

    For phases exp(−i·x·Z/2). Reached by (|s⟩+e^{iγ}|s̄⟩)/√2 with s the signs of the weights, and by
    nothing else unless some weight is zero. Source: theorem 1.
    """
    return math.fsum(abs(w) for w in weights) ** 2


def fisher_with_leak(weights: Sequence[float], mass: float, eigenvalue: float) -> float:
    """Quantum Fisher information with ``mass`` at ``eigenvalue`` of G = ½ΣwᵢZᵢ. Standing: exact.

    The rest of the state is balanced on the extremes: Λ² − p(Λ²−4λ²) − 4p²λ². Source: theorem 1.
    """
    top = math.fsum(abs(w) for w in weights)
    p, level = mass, eigenvalue
    return top**2 - p * (top**2 - 4 * level**2) - 4 * p**2 * level**2


def split_quadrature_information(visibility: float, phase: float) -> float:
    """Fisher information a copy when half the copies measure each quadrature. Standing: exact.

    1 for every phase at visibility 1 (taken as the limit); .405 to .681 at .9. Source: remark 2
    claims saturation, which holds locally at V = 1 only.
    """
    s2, c2 = math.sin(phase) ** 2, math.cos(phase) ** 2
    v2 = visibility**2
    if visibility == 1:
        return 1.0
    return 0.5 * (v2 * s2 / (1 - v2 * c2) + v2 * c2 / (1 - v2 * s2))


def shot_copies(sum_bits: int, *, lsb: float = 0.25) -> float:
    """Copies at which the phase's standard error is ``lsb`` of a least significant bit.

    (2^B / (2π·lsb))² by the Cramér–Rao bound at one unit of information a copy. Standing: bound,
    asymptotic. 104, 26,560 and 1.74e9 at B = 4, 8, 16.
    """
    return ((1 << sum_bits) / (2 * math.pi * lsb)) ** 2


def majority_failure(visibility: float, copies: int, digits: int) -> float:
    """Probability that any of ``digits`` majorities of ``copies`` is wrong. Standing: exact.

    Ours: the digit readout, with a fixed odd number of copies a digit.
    """
    wrong = (1 - Fraction(visibility)) / 2
    outvoted = sum(
        math.comb(copies, k) * wrong**k * (1 - wrong) ** (copies - k)
        for k in range(copies // 2 + 1, copies + 1)
    )
    return float(1 - (1 - outvoted) ** digits)


def sequential_error(visibility: float, lead: int) -> float:
    """Probability that the wrong value is the first to lead by ``lead``. Standing: exact."""
    odds = (1 + visibility) / (1 - visibility) if visibility < 1 else math.inf
    return 1 / (1 + odds**lead)


def sequential_copies(visibility: float, lead: int) -> float:
    """Mean copies until one value leads by ``lead``: k(1 − 2·error)/V. Standing: exact."""
    return lead * (1 - 2 * sequential_error(visibility, lead)) / visibility


def shannon_copies(visibility: float) -> float:
    """Copies a digit that any code needs at least: 1/(1−h(q)). Standing: bound, asymptotic."""
    return 1 / (1 - binary_entropy((1 - visibility) / 2))


def ghz_ledger(
    *,
    workers: int,
    copies: int,
    announcements: Sequence[int],
    distribution: str,
    announcement: str,
) -> Ledger:
    """Account of ``copies`` GHZ copies whose outcome bits are announced in these portions.

    ``distribution`` and ``announcement`` are the values of
    :class:`~qring.network.wiring.Distribution` and :class:`~qring.network.wiring.Announcement`.
    Standing: exact. Ours.

    Raises:
        InputError: portions that are not all copies, or another distribution or announcement.
    """
    if sum(announcements) != copies:
        raise InputError(f"{copies} copies cannot be announced as {sum(announcements)} bits")
    check_among("distribution", distribution, tuple(SOURCES))
    check_among("announcement", announcement, ("broadcast", "xor-ring", "xor-tree"))
    meter = Meter()
    n = workers
    for worker in range(1, n):
        source, fused, told = SOURCES[distribution](worker, n)
        meter.charge(source, worker, Phase.SETUP, Carrier.QUBIT, copies)
        meter.charge(source, worker, Phase.SETUP, Carrier.EBIT, copies * fused)
        meter.charge(source, worker, Phase.SETUP, Carrier.BIT, copies * told)
    for bits in announcements:
        if announcement == "broadcast":
            for src in range(n):
                for step in range(1, n):
                    meter.charge(src, (src + step) % n, Phase.ONLINE, Carrier.BIT, bits)
            meter.rounds += 1
        elif bits and announcement == "xor-tree":
            for worker in range(1, n):
                for src, dst in ((worker, (worker - 1) // 2), ((worker - 1) // 2, worker)):
                    meter.charge(src, dst, Phase.ONLINE, Carrier.BIT, bits)
            meter.rounds += 2 * int(math.log2(n))
        elif announcement == "xor-ring":
            base, longer = divmod(bits, n)
            for i in range(n):
                clockwise = bits - base - ((i + 1) % n < longer)
                counter = bits - base - (i < longer)
                meter.charge(i, (i + 1) % n, Phase.ONLINE, Carrier.BIT, clockwise)
                meter.charge(i, (i - 1) % n, Phase.ONLINE, Carrier.BIT, counter)
            meter.rounds += 2 * (n - 1)
    return meter.ledger()
