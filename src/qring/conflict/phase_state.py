"""Copies of the phase state: sampled one by one for any d, or as a dense vector for small d.

The state is d^{−1/2} Σ (−1)^{x_i} |i⟩ on q = ⌈log2 d⌉ qubits. A Pauli error X^e Z^f moves the
sign of i to i⊕e and flips it by f·i; amplitudes beyond d are zero and may move inside. The
client's measurement is block-diagonal over its ties, so a copy needs no more than one block.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.conflict.matching import Groups, Matching
from qring.conflict.signs import Signs
from qring.network.noise import BellDiagonal

__all__ = [
    "Outcomes",
    "dense_state",
    "measure_groups",
    "measure_pairs",
    "pair_amplitudes",
    "pauli_errors",
    "state_qubits",
]


_BLOCK = 1 << 16  # copies that are drawn at once


class Outcomes(NamedTuple):
    """One entry a copy: whether it hit a tie, whether it found disagreement, the tie's size."""

    hit: NDArray[np.bool_]
    differs: NDArray[np.bool_]
    size: NDArray[np.int64]


def state_qubits(coords: int) -> int:
    """⌈log2 d⌉ qubits of one copy."""
    return max(1, (coords - 1).bit_length())


def pauli_errors(
    copies: int, qubits: int, noise: BellDiagonal, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Masks e and f of one error X^e Z^f a copy, each qubit's drawn independently.

    ``noise`` gives the probabilities of X, Y and Z on a qubit. Shapes (copies,).
    """
    e, f = np.zeros(copies, np.int64), np.zeros(copies, np.int64)
    _, x, y, z = noise.weights
    for qubit in range(qubits):
        draw = rng.random(copies)
        e |= (draw < x + y).astype(np.int64) << qubit
        f |= ((draw >= x) & (draw < x + y + z)).astype(np.int64) << qubit
    return e, f


def measure_pairs(
    signs: Signs,
    ties: Matching,
    copies: int,
    rng: np.random.Generator,
    errors: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Outcomes:
    """Measure copies in the basis (|i⟩±|j⟩)/√2 of the pairs, and |i⟩ where i is free.

    Exact, in time that does not depend on d. Source: paper theorem 5, appendix C.3.
    """
    size = np.broadcast_to(np.int64(2), copies)
    if errors is None:
        return Outcomes(*_noiseless(signs, ties, copies, rng), size)
    e, f = errors
    source = rng.integers(signs.coords, size=copies)
    place = source ^ e  # where the drawn amplitude is after the error
    inside = place < signs.coords
    partner = ties.partner(np.where(inside, place, 0))
    hit = inside & (partner >= 0)
    other = np.where(hit, partner, 0) ^ e
    filled = other < signs.coords
    differs = signs.negative(source) ^ signs.negative(np.where(filled, other, 0))
    differs ^= _parity(f & (place ^ partner))
    # A pair with one amplitude missing shows either parity, each as often.
    return Outcomes(hit, np.where(filled, differs, rng.random(copies) < 0.5), size)


def _noiseless(
    signs: Signs, ties: Matching, copies: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether copies hit a pair and found disagreement; in blocks that stay in the cache."""
    hit, differs = np.ones(copies, bool), np.empty(copies, bool)
    for start in range(0, copies, _BLOCK):
        block = slice(start, min(copies, start + _BLOCK))
        source = rng.integers(signs.coords, size=block.stop - start)
        partner = ties.partner(source)
        if ties.tied < ties.coords:
            np.greater_equal(partner, 0, out=hit[block])
            np.maximum(partner, 0, out=partner)
        np.logical_xor(signs.negative(source), signs.negative(partner), out=differs[block])
    return hit, differs


def measure_groups(
    signs: Signs,
    ties: Groups,
    copies: int,
    rng: np.random.Generator,
    errors: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> Outcomes:
    """Measure copies in each group's uniform vector and its complement.

    ``differs`` says that the complement was found. Exact; time in proportion to a group's size.
    """
    source = rng.integers(signs.coords, size=copies)
    zero = np.zeros(copies, np.int64)
    e, f = errors if errors is not None else (zero, zero)
    place = source ^ e
    inside = place < signs.coords
    group = np.where(inside, ties.of_coordinate(np.where(inside, place, 0)), -1)
    hit = group >= 0
    where = np.flatnonzero(hit)
    sizes = ties.sizes[group[where]]
    copy = np.repeat(where, sizes)  # one entry a member of the group that a copy hit
    ends = np.cumsum(sizes)
    member = ties.members[
        np.arange(len(copy))
        - np.repeat(ends - sizes, sizes)
        + np.repeat(ties.starts[group[where]], sizes)
    ]
    origin = member ^ e[copy]
    filled = origin < signs.coords
    minus = signs.negative(np.where(filled, origin, 0)) ^ _parity(f[copy] & member)
    amplitude = np.where(filled, np.where(minus, -1, 1), 0)
    uniform = np.zeros(copies)
    if len(where):
        firsts = ends - sizes
        total = np.add.reduceat(amplitude, firsts).astype(np.float64)
        weight = np.add.reduceat(filled.astype(np.int64), firsts)
        uniform[where] = total**2 / (sizes * weight)
    size = np.full(copies, 2)
    size[where] = sizes
    return Outcomes(hit, hit & (rng.random(copies) >= uniform), size)


def dense_state(signs: Signs, x_error: int = 0, z_error: int = 0) -> NDArray[np.float64]:
    """X^e Z^f applied to the phase state: all 2^q amplitudes."""
    state = np.zeros(1 << state_qubits(signs.coords))
    index = np.arange(signs.coords)
    minus = signs.negative(index) ^ _parity(index & z_error)
    state[index ^ x_error] = np.where(minus, -1.0, 1.0) / math.sqrt(signs.coords)
    return state


def pair_amplitudes(
    state: NDArray[np.float64], pairs: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Amplitudes of (|i⟩+|j⟩)/√2 and (|i⟩−|j⟩)/√2 for pairs of shape (M, 2)."""
    first, second = state[pairs[:, 0]], state[pairs[:, 1]]
    return (first + second) / math.sqrt(2), (first - second) / math.sqrt(2)


def _parity(words: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the number of set bits is odd."""
    folded = words.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        folded ^= folded >> shift
    odd: NDArray[np.bool_] = (folded & 1).astype(bool)
    return odd
