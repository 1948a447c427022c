"""Noise of single GHZ copies: which of many copies suffer Pauli errors, and which errors.

Errors are drawn one by one, at a cost an error and none a copy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.copies import PERFECT, Kind, Tampered
from qring.network.noise import QubitNoise

__all__ = ["noisy_copies"]

_SLOTS_AT_ONCE = 1 << 21  # arrays of one block stay in the cache


def noisy_copies(count: int, workers: int, noise: QubitNoise, rng: np.random.Generator) -> Tampered:
    """Draw the copies that suffer an error, with each qubit's errors independent.

    Raises:
        InputError: relaxation, which is no Pauli error.
    """
    if noise.relaxation:
        raise InputError(
            "single copies are followed under Pauli errors and dephasing only: set relaxation to 0"
        )
    x, y, z = _pauli_weights(noise)
    error = x + y + z
    if error == 0:
        return PERFECT
    block = max(1, _SLOTS_AT_ONCE // workers)
    parts = [
        _block(start, min(block, count - start), workers, (x, y, z), rng)
        for start in range(0, count, block)
    ]
    where, bits, phase = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return Tampered(
        where=where,
        kind=np.full(len(where), Kind.GHZ, np.uint8),
        bits=bits,
        turn=math.pi * phase,
        origin=where,
    )


def _pauli_weights(noise: QubitNoise) -> tuple[float, float, float]:
    """Probabilities of X, Y and Z once dephasing has acted too."""
    stay, flip = 1 - noise.dephasing, noise.dephasing
    whole = 1 - noise.x - noise.y - noise.z
    return (
        noise.x * stay + noise.y * flip,
        noise.y * stay + noise.x * flip,
        noise.z * stay + whole * flip,
    )


def _block(
    start: int, count: int, workers: int, law: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint8]]:  # fmt: skip
    """Copies with errors among ``count``: their numbers, X patterns, and parity of Z errors.

    Qubits are struck by a Poisson process of the rate that leaves each one unstruck with the
    right probability; strikes are independent and uniform once their number is known.
    """
    x, y, z = law
    error = x + y + z
    slots = count * workers
    if error < 1:
        strikes = int(rng.poisson(-math.log1p(-error) * slots))
        slot = np.sort(rng.integers(slots, size=strikes, dtype=np.int64))
        if strikes:
            slot = slot[np.concatenate(([True], slot[1:] != slot[:-1]))]
    else:
        slot = np.arange(slots)
    if len(slot) == 0:
        return np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint8)
    draw = rng.random(len(slot), dtype=np.float64) * error
    copy = slot // workers
    bit = np.uint64(1) << (slot - copy * workers).astype(np.uint64)
    bit[draw >= x + y] = 0
    first = np.flatnonzero(np.concatenate(([True], copy[1:] != copy[:-1])))
    bits = np.bitwise_xor.reduceat(bit, first)
    phase = np.bitwise_xor.reduceat((draw >= x).view(np.uint8), first)
    return start + copy[first], bits, phase
