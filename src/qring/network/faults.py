"""Noise of single GHZ copies: which of many copies suffer Pauli errors, and which errors.

Errors are drawn one by one, at a cost an error and none a copy.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.copies import PERFECT, Kind, Tampered, random_patterns
from qring.network.noise import QubitNoise

__all__ = ["noisy_copies"]

_STRIKES_AT_ONCE = 12_000  # arrays stay below 128 KiB, from where on each one costs fresh pages


def noisy_copies(count: int, workers: int, noise: QubitNoise, rng: np.random.Generator) -> Tampered:
    """Draw the copies that suffer an error, with each qubit's errors independent.

    Raises:
        InputError: relaxation, which is no Pauli error.
    """
    if noise.relaxation:
        raise InputError(
            "single copies are followed under Pauli errors and dephasing only: set relaxation to 0"
        )
    mixed = _mixed(count, workers, noise.mixed, rng)
    x, y, z = _pauli_weights(noise)
    error = x + y + z
    if error == 0:
        return mixed
    block = max(1, int(_STRIKES_AT_ONCE / (error * workers)))
    parts = [
        _block(start, min(block, count - start), workers, (x, y, z), rng)
        for start in range(0, count, block)
    ]
    where, bits, phase = (np.concatenate([part[k] for part in parts]) for k in range(3))
    struck = Tampered(
        where=where,
        kind=np.full(len(where), Kind.GHZ, np.uint8),
        bits=bits,
        turn=math.pi * phase,
        origin=where,
    )
    return mixed.and_also(struck) if len(mixed) else struck


def _mixed(count: int, workers: int, share: float, rng: np.random.Generator) -> Tampered:
    """Copies that are white noise: a uniform one of all states of the GHZ basis."""
    if share == 0:
        return PERFECT
    where = _struck(count, share, rng)
    where = where[np.concatenate([[True], where[1:] != where[:-1]])] if len(where) else where
    return Tampered.of(
        where,
        bits=random_patterns(len(where), workers, rng),
        turn=np.float64(math.pi) * rng.integers(2, size=len(where)),
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

    Qubits are struck by a Poisson process, drawn in order, of the rate that leaves each one
    unstruck with the right probability. Of strikes on one qubit the first counts.
    """
    x, y, z = law
    error = x + y + z
    slot = _struck(count * workers, error, rng)
    if len(slot) == 0:
        return np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.uint8)
    copy = slot // workers
    bit = np.uint64(1) << (slot - copy * workers).view(np.uint64)
    draw = rng.random(len(slot)) * error
    bit *= draw < x + y
    flip = (draw >= x).view(np.uint8)
    starts = np.empty(len(slot), np.bool_)
    starts[0] = True
    np.not_equal(copy[1:], copy[:-1], out=starts[1:])
    first = np.flatnonzero(starts)
    bits, phase = bit[first], flip[first]
    # Few copies are struck more than once.
    more = np.flatnonzero(~starts)
    more = more[slot[more] != slot[more - 1]]
    whose = np.searchsorted(first, more, side="right") - 1
    np.bitwise_xor.at(bits, whose, bit[more])
    np.bitwise_xor.at(phase, whose, flip[more])
    return start + copy[first], bits, phase


def _struck(slots: int, error: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Slots that are struck, ascending, some of them more than once."""
    if error >= 1:
        return np.arange(slots)
    rate = -math.log1p(-error)
    expected = slots * rate
    gaps = rng.standard_exponential(math.ceil(expected + 6 * math.sqrt(expected) + 6))
    times = np.cumsum(gaps, out=gaps)
    while times[-1] < expected:  # seldom
        more = times[-1] + np.cumsum(rng.standard_exponential(len(times)))
        times = np.concatenate([times, more])
    times = times[: np.searchsorted(times, expected)]
    times *= slots / expected
    slot = times.astype(np.int64)
    np.minimum(slot[-1:], slots - 1, out=slot[-1:])  # rounding may reach the end
    return np.asarray(slot)
