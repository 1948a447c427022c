"""Errors of noisy pairs, sampled exactly and XORed onto packed Pauli frames.

Rare errors are scattered one by one, at a cost an error; frequent ones are drawn four pairs at a
time from a table, at a cost a pair. Both follow the law of the noise up to float64 rounding, with
whatever generator the caller hands in.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.noise import BellDiagonal

__all__ = ["disturb", "faults_between"]

_LANES = (6, 4, 2, 0)  # places of a byte's four pairs, the first in the highest two bits
_SHIFTS = np.array(_LANES, np.uint8)
_LANE_ERRORS = np.array([label << lane for lane in _LANES for label in (1, 2, 3)], np.uint8)
_EVERY_PAIR = 0b01010101  # times a label: that label on all four pairs of a byte

# Measured where the two paths cost the same; no figure here touches the law.
_SCATTER_RATE = 0.09  # strikes a pair above which the table is faster, in a long message
_SCATTER_BYTES = 1 << 15  # below this the fixed cost of a scattered block outweighs its gain

# Blocks are so short that no array made in one reaches 128 KiB: from there on the C library asks
# the kernel for fresh pages each time, which costs more than filling them.
_STRIKES_A_TURN = 12_000
_TABLE_BYTES = 1 << 15
_BLOCK_BYTES = 1 << 24  # longest block, however rare the strikes
_READ_BYTES = 1 << 22  # blocks up to here are struck often enough to be read in first
_CACHED_BYTES = 1 << 20  # a message up to here has just been written, and is in the cache
_FEW_COLLISIONS = 1.0  # strikes to expect on bytes already struck, below which all lanes go at once


def disturb(
    frame: NDArray[np.uint8], pairs: int, noise: BellDiagonal, rng: np.random.Generator
) -> None:
    """XOR one independently drawn error a pair onto ``frame``, in place.

    ``frame`` holds four pairs a byte, the first in the highest two bits, shape ≥ (⌈pairs/4⌉,),
    uint8, contiguous; bits beyond the last pair are left alone. The same generator state gives
    the same errors.

    Raises:
        InputError: ``frame`` cannot be changed in place or is too short, or ``pairs`` < 0.
    """
    size = -(-pairs // 4)
    _check(frame, pairs, size)
    if size == 0 or noise.error_probability == 0:
        return
    view = frame[:size]
    last = view[-1]

    common, rates = _strikes(noise)
    # Without any rate one error is certain: XOR it, at any length.
    if not any(rates) or (sum(rates) < _SCATTER_RATE and size >= _SCATTER_BYTES):
        if common:
            view ^= np.uint8(common * _EVERY_PAIR)
        _scatter(view, rates, rng)
    else:
        _draw(view, _table(noise), rng)
    if pairs % 4:
        view[-1] ^= (view[-1] ^ last) & np.uint8(0xFF >> 2 * (pairs % 4))


def faults_between(
    sent: NDArray[np.uint8], received: NDArray[np.uint8], pairs: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Pairs whose frames differ, ascending, and the Pauli label (1..3) of each difference."""
    touched = np.flatnonzero(sent != received)
    changes = (sent[touched] ^ received[touched])[:, None]
    labels: NDArray[np.uint8] = changes >> _SHIFTS & np.uint8(3)
    index: NDArray[np.int64] = touched[:, None] * np.int64(4) + np.arange(4, dtype=np.int64)
    hit = (labels > 0) & (index < pairs)
    return index[hit], labels[hit]


def _check(frame: NDArray[np.uint8], pairs: int, size: int) -> None:
    if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.ndim != 1:
        raise InputError("a frame is a one-dimensional NumPy array of uint8, four pairs a byte")
    if not (frame.flags.c_contiguous and frame.flags.writeable):
        raise InputError("a frame is changed in place: hand in a contiguous, writeable array")
    if pairs < 0:
        raise InputError(f"the number of pairs is {pairs}; it cannot be negative")
    if len(frame) < size:
        raise InputError(f"{pairs} pairs take {size} bytes, but the frame has {len(frame)}")


def _law(noise: BellDiagonal) -> tuple[float, ...]:
    """Probabilities by label: identity, X, Z, Y."""
    i, x, y, z = noise.weights
    total = i + x + y + z
    return i / total, x / total, z / total, y / total


# Rare errors ---------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _strikes(noise: BellDiagonal) -> tuple[int, tuple[float, ...]]:
    """The commonest label, and Poisson rates at which labels 1, 2, 3 relative to it strike a pair.

    Strikes of a higher label hide those of a lower one, so label k shows with probability
    law_k = (1 − e^−rate_k) · P(no higher strike). Solved from the lowest label up.
    """
    law = _law(noise)
    common = law.index(max(law))
    rates, below = [], law[common]
    for label in (1, 2, 3):
        weight = law[label ^ common]
        rates.append(math.log1p(weight / below))
        below += weight
    return common, tuple(rates)


def _scatter(frame: NDArray[np.uint8], rates: tuple[float, ...], rng: np.random.Generator) -> None:
    """Strike the pairs of whole bytes with labels 1, 2, 3 at ``rates``.

    The strikes of a Poisson process are independent and uniform once their number is known, so
    they need neither sorting nor redrawing of repeats, and no error needs a draw for its label.
    """
    if not any(rates):
        return
    block = int(min(_STRIKES_A_TURN / sum(rates) + 1, _BLOCK_BYTES))
    block = 1 << block.bit_length() - 1  # places in a power of two are cheaper to draw
    for start in range(0, len(frame), block):
        part = frame[start : start + block]
        if (4 * sum(rates) * len(part)) ** 2 <= 2 * len(part) * _FEW_COLLISIONS:
            _scatter_few(part, rates, rng)
            continue
        if block <= _READ_BYTES and len(frame) > _CACHED_BYTES:
            part.max()  # one read in order costs less than a cache miss for most strikes
        counts = rng.poisson(np.multiply(rates, len(part)), size=(len(_LANES), 3))
        errors = _LANE_ERRORS.repeat(counts.ravel())
        struck = _below(len(part), len(errors), rng)
        # One lane a turn: within it a byte is a pair. All bytes are read before any is written,
        # and written in the order of labels, so that a second strike on a pair replaces the first
        # instead of joining it.
        first = 0
        for last in counts.sum(axis=1).cumsum().tolist():
            where = struck[first:last]
            part[where] = part.take(where) ^ errors[first:last]
            first = last


def _below(bound: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Independent uniform places 0..bound−1, bound ≤ 2^32."""
    if bound & bound - 1:
        return rng.integers(bound, size=count, dtype=np.uint32).astype(np.intp)
    # Nothing has to be drawn again, and whole words are the fastest bits of every generator.
    halves = rng.integers(2**64, size=-(-count // 2), dtype=np.uint64).view(np.uint32)[:count]
    return (halves & np.uint32(bound - 1)).astype(np.intp)


def _scatter_few(
    part: NDArray[np.uint8], rates: tuple[float, ...], rng: np.random.Generator
) -> None:
    """Strike all lanes at once; where strikes met on one byte, see to that byte by itself."""
    counts = [int(rng.poisson(4 * rate * len(part))) for rate in rates]
    pairs = rng.integers(4 * len(part), size=sum(counts))
    labels = np.repeat(np.arange(1, 4, dtype=np.uint8), counts)
    struck = pairs >> 2
    before = part.take(struck)
    after = before ^ labels << _SHIFTS[pairs & 3]
    part[struck] = after
    # Of strikes on one byte the last has been written. Another that left the same value behind
    # hit the same pair with the same label; any other shows here.
    for byte in set(struck[part.take(struck) != after].tolist()):
        met = np.flatnonzero(struck == byte)
        last = dict(zip((pairs[met] & 3).tolist(), labels[met].tolist(), strict=True))
        value = int(before[met[0]])
        for lane, label in last.items():
            value ^= label << _LANES[lane]
        part[byte] = value


# Frequent errors -----------------------------------------------------------------------------


class _Table(NamedTuple):
    """Bytes of four errors by 16-bit draw; a draw below ``spare`` is refined.

    A byte of probability P owns ⌊2^16 P⌋ draws. What the rounding lost of all bytes together
    owns the ``spare`` draws, and is shared out by a second draw: ``lost`` cumulates it.
    """

    errors: NDArray[np.uint8]
    spare: int
    lost: NDArray[np.float64]


@lru_cache(maxsize=16)
def _table(noise: BellDiagonal) -> _Table:
    pair = np.array(_law(noise))
    two = np.outer(pair, pair).ravel()
    weights = np.outer(two, two).ravel() * 2**16
    owned = np.floor(weights).astype(np.intp)
    spare = 2**16 - int(owned.sum())
    errors = np.concatenate(
        [np.zeros(spare, np.uint8), np.repeat(np.arange(256, dtype=np.uint8), owned)]
    )
    return _Table(errors, spare, np.cumsum(weights - owned))


def _draw(frame: NDArray[np.uint8], table: _Table, rng: np.random.Generator) -> None:
    """XOR errors drawn from ``table`` onto whole bytes."""
    index = np.empty(min(len(frame), _TABLE_BYTES), np.intp)
    errors = np.empty(len(index), np.uint8)
    for start in range(0, len(frame), _TABLE_BYTES):
        part = frame[start : start + _TABLE_BYTES]
        size = len(part)
        # Whole words are the fastest bits of every NumPy generator.
        words = rng.integers(2**64, size=-(-size // 4), dtype=np.uint64)
        draws = words.view(np.uint16)[:size]
        index[:size] = draws
        # No index is out of range; "clip" only spares the copy that "raise" makes of ``out``.
        table.errors.take(index[:size], out=errors[:size], mode="clip")
        refined = np.flatnonzero(draws < table.spare)
        if len(refined):
            second = rng.random(len(refined)) * table.lost[-1]
            errors[refined] = np.searchsorted(table.lost, second, side="right")
        part ^= errors[:size]
