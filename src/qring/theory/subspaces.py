"""SubspaceAudit in closed form: the law of the share, of noisy copies, and of the index sketch.

Source: Klartag and Regev, *Quantum one-way communication can be exponentially stronger than
classical communication* (STOC 2011); Raz (STOC 1999); constants ours.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from qring.errors import InputError
from qring.theory.separations import maximum_of_normals

__all__ = [
    "crossover_dimension",
    "haar_share",
    "noisy_share",
    "subspace_index_bits",
    "tangent_dimension",
    "unpaired_index_bits",
]

_NORMAL = NormalDist()


def haar_share(coords: int, dimension: int) -> tuple[float, float]:
    """Mean and variance of |Pg|² for a uniformly random direction: Beta(k/2, (d−k)/2). Exact."""
    mean = dimension / coords
    return mean, 2 * mean * (1 - mean) / (coords + 2)


def noisy_share(fraction: float, dimension: int, qubits: int, error: float) -> float:
    """P(inside) under errors of probability ``error`` a qubit, randomised by shared Cliffords.

    An error is then any other of the D²−1 Pauli strings: their sum over a state is D·1 less the
    state itself. Standing: exact.
    """
    size = 2.0**qubits
    whole = (1 - error) ** qubits
    return whole * fraction + (1 - whole) * (size * dimension - fraction) / (size**2 - 1)


def tangent_dimension(rows: int, columns: int, rank: int) -> int:
    """K = r(n1 + n2 − r) of {dB·A + B·dA}. Standing: exact."""
    return rank * (rows + columns - rank)


def subspace_index_bits(
    coords: int, dimension: int, epsilon: float, delta: float, index_bits: int | None = None
) -> float:
    """Bits of the index sketch, its operator without trace: κ = k(1−k/d).

    The variance is 2κ/y² + 4f(1−f)/y at y = t·M²; bits are y·R/M², and y/(2 ln 2) in the limit of
    long indices (None). Standing: asymptotic, many terms.
    """
    kappa = dimension * (1 - dimension / coords)
    return _bits(2 * kappa, 1.0, epsilon, delta, index_bits)


def crossover_dimension(
    coords: int,
    qubits: float,
    epsilon: float,
    delta: float,
    index_bits: int | None = None,
    *,
    clients: int = 1,
    dense_coded: bool = False,
) -> float:
    """Dimension above which ``clients`` times ``qubits`` undercut one broadcast, or infinity.

    Solves 2κ/y² + 1/y = (ε/z)² for κ at the y that so many bits buy, and k(1−k/d) = κ for the
    smaller k. Standing: asymptotic, many terms.
    """
    bits = clients * qubits * (2 if dense_coded else 1)
    gain = 2 * math.log(2)
    if index_bits is not None:
        gain = maximum_of_normals(index_bits) ** 2 / index_bits
    y = bits * gain
    goal = (epsilon / -_NORMAL.inv_cdf(delta / 2)) ** 2
    kappa = max(0.0, (goal * y * y - y) / 2)
    if 4 * kappa > coords:
        return math.inf
    return coords / 2 * (1 - math.sqrt(1 - 4 * kappa / coords))


def unpaired_index_bits(
    dimension: int, epsilon: float, delta: float, index_bits: int | None = None
) -> float:
    """The same with P itself, as if |g| were not known: 2k/y² + 4f/y. Standing: a weaker rival."""
    return _bits(2.0 * dimension, 4.0, epsilon, delta, index_bits)


def _bits(
    square: float, linear: float, epsilon: float, delta: float, index_bits: int | None
) -> float:
    if not (0 < epsilon < 1 and 0 < delta < 1):
        raise InputError(f"ε and δ lie in (0, 1), not at {epsilon} and {delta}")
    goal = (epsilon / -_NORMAL.inv_cdf(delta / 2)) ** 2
    y = (linear + math.sqrt(linear**2 + 4 * goal * square)) / (2 * goal)
    if index_bits is None:
        return y / (2 * math.log(2))
    return y * index_bits / maximum_of_normals(index_bits) ** 2
