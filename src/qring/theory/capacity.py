"""Bits that a qubit carries over noisy pairs.

Every function states the standing of its figure. Weights are those of (I, X, Y, Z).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from qring.errors import InputError

__all__ = [
    "binary_entropy",
    "classical_tie_fidelity",
    "entropy_bits",
    "hashing_pairs_per_bit",
    "lifetime_carriers_per_bit",
    "reed_solomon_bits_per_qubit",
    "superdense_capacity",
    "swapped_fidelity",
    "unassisted_capacity",
    "werner_weights",
]


def entropy_bits(weights: Sequence[float]) -> float:
    """Shannon entropy of a distribution, in bits."""
    return -sum(w * math.log2(w) for w in weights if w > 0)


def binary_entropy(p: float) -> float:
    """h(p), in bits."""
    return entropy_bits((p, 1 - p))


def werner_weights(fidelity: float) -> tuple[float, float, float, float]:
    """Weights of a Werner pair."""
    if not 0 <= fidelity <= 1:
        raise InputError(f"a fidelity lies in [0, 1], not at {fidelity}")
    third = (1 - fidelity) / 3
    return (fidelity, third, third, third)


def superdense_capacity(weights: Sequence[float]) -> float:
    """Bits a qubit over Bell-diagonal pairs: C = 2 − H(λ). Standing: exact, asymptotic rate."""
    return 2 - entropy_bits(weights)


def unassisted_capacity(fidelity: float) -> float:
    """Bits a qubit through the depolarising channel of a Werner pair, without entanglement.

    The Holevo capacity 1 − h(2(1−F)/3) (King 2003). Standing: exact, asymptotic rate.
    """
    return 1 - binary_entropy(2 * (1 - fidelity) / 3)


def classical_tie_fidelity() -> float:
    """Fidelity of Werner pairs at which superdense coding carries one bit a qubit: 0.810710."""
    return _falling_root(lambda f: 1 - superdense_capacity(werner_weights(f)), 0.5, 1.0)


def swapped_fidelity(first: float, second: float) -> float:
    """Fidelity after swapping two Werner pairs: F1·F2 + (1−F1)(1−F2)/3. Standing: exact."""
    return first * second + (1 - first) * (1 - second) / 3


def lifetime_carriers_per_bit(weights: Sequence[float]) -> float:
    """Setup and online qubits a bit at capacity: 2/C ≥ 1. Standing: exact, asymptotic rate."""
    return 2 / superdense_capacity(weights)


def hashing_pairs_per_bit(weights: Sequence[float]) -> float:
    """Raw pairs a bit when pairs are distilled by hashing first: ½ / (1 − H(λ)).

    Online cost stays half a qubit a bit if the online channel is clean. Infinite where hashing
    yields nothing. Standing: exact, asymptotic rate.
    """
    distilled = 1 - entropy_bits(weights)
    return 0.5 / distilled if distilled > 0 else math.inf


def reed_solomon_bits_per_qubit(fidelity: float, block_failure: float) -> float:
    """Rate of a Reed–Solomon code of 255 bytes over superdense-coded Werner pairs.

    Four pairs carry a byte. The code corrects the fewest byte errors t for which a block fails
    with probability at most ``block_failure``, and carries 2·(255−2t)/255 bits a qubit; 0 if no
    t does. Standing: exact.
    """
    n = 255
    wrong = 1 - fidelity**4
    if wrong <= 0:
        return 2.0
    for t in range(n // 2 + 1):
        tail = math.fsum(_binomial_probability(n, k, wrong) for k in range(t + 1, n + 1))
        if tail <= block_failure:
            return 2 * (n - 2 * t) / n
    return 0.0


def _binomial_probability(n: int, k: int, p: float) -> float:
    if p >= 1:
        return float(k == n)
    log_choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log_choose + k * math.log(p) + (n - k) * math.log1p(-p))


def _falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of a function that falls from positive at ``low`` to negative at ``high``."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2
