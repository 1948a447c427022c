"""Errors of noisy pairs, sampled exactly and XORed onto packed Pauli frames.

Rare errors are scattered one by one, at a cost an error; frequent ones are drawn four pairs at a
time from a table, at a cost a pair. Both follow the law of the noise up to float64 rounding, with
whatever generator the caller hands in.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.network.noise import BellDiagonal

__all__ = ["ErrorStream", "disturb", "faults_between"]

_LANES = (6, 4, 2, 0)  # places of a byte's four pairs, the first in the highest two bits
_SHIFTS = np.array(_LANES, np.uint8)
_SINGLES = np.array([label << lane for lane in _LANES for label in (1, 2, 3)], np.uint8)
_SINGLES_AND_NONE = np.append(_SINGLES, np.uint8(0))
_EVERY_PAIR = 0b01010101  # times a label: that label on all four pairs of a byte

# Measured where the two paths cost the same; no figure here touches the law.
_SCATTER_RATE = 0.36  # strikes a byte above which the table is faster, in a long message
_SCATTER_BYTES = 1 << 12  # below this the fixed cost of a scattered block outweighs its gain

_STRIKES_A_BLOCK = 48_000  # so few that what they strike stays in the cache
_STRIKES_A_TURN = 200_000  # drawn at once: a draw runs code that is in no cache
_BLOCKS_A_TURN = 64
_PATTERN = np.tile(_SINGLES_AND_NONE, _BLOCKS_A_TURN)
_LENGTHS = 8  # lengths of blocks whose strikes are drawn ahead
_TABLE_BYTES = 1 << 15
_BLOCK_BYTES = 1 << 24  # longest block, however rare the strikes
_READ_BYTES = 1 << 22  # blocks up to here are struck often enough to be read in first

_Strikes = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""Bytes of a block that are struck, and the errors of their four pairs."""


def disturb(
    frame: NDArray[np.uint8], pairs: int, noise: BellDiagonal, rng: np.random.Generator
) -> None:
    """XOR one independently drawn error a pair onto ``frame``: an :class:`ErrorStream` of one.

    The same generator state gives the same errors.

    Raises:
        InputError: as :meth:`ErrorStream.disturb`.
    """
    ErrorStream(noise, rng).disturb(frame, pairs)


class ErrorStream:
    """The errors of one kind of pair, from one generator, for frame after frame.

    Frames of one length ask for much the same, so where errors are rare those of several frames
    are drawn at once. No error is used twice.
    """

    __slots__ = ("_ahead", "_block", "_noise", "_rates", "_rng")

    def __init__(self, noise: BellDiagonal, rng: np.random.Generator) -> None:
        self._noise, self._rng = noise, rng
        self._rates = _rates(noise)
        self._block = _block_for(self._rates.total)
        self._ahead: dict[int, list[_Strikes]] = {}

    def disturb(self, frame: NDArray[np.uint8], pairs: int) -> None:
        """XOR one independently drawn error a pair onto ``frame``, in place.

        ``frame`` holds four pairs a byte, the first in the highest two bits, shape ≥ (⌈pairs/4⌉,),
        uint8, contiguous; bits beyond the last pair are left alone.

        Raises:
            InputError: ``frame`` cannot be changed in place or is too short, or ``pairs`` < 0.
        """
        size = -(-pairs // 4)
        _check(frame, pairs, size)
        if size == 0 or self._noise.error_probability == 0:
            return
        view = frame[:size]
        last = view[-1]
        # Without any rate one error is certain: XOR it, at any length.
        rate, common = self._rates.total, self._rates.common
        if rate == 0 or (rate < _SCATTER_RATE and size >= _SCATTER_BYTES):
            if common:
                view ^= np.uint8(common * _EVERY_PAIR)
            if rate:
                self._scatter(view)
        else:
            _draw(view, _table(self._noise), self._rng)
        if pairs % 4:
            view[-1] ^= (view[-1] ^ last) & np.uint8(0xFF >> 2 * (pairs % 4))

    def _scatter(self, frame: NDArray[np.uint8]) -> None:
        """Strike whole bytes.

        All are read before any is written, so that a second strike on a byte replaces the first
        instead of joining it.
        """
        for start in range(0, len(frame), self._block):
            part = frame[start : start + self._block]
            if self._block <= _READ_BYTES:
                part.max()  # one read in order costs less than a cache miss for most strikes
            where, errors = self._strikes_on(len(part))
            places = where.astype(np.intp)
            part[places] = part.take(places) ^ errors

    def _strikes_on(self, size: int) -> _Strikes:
        drawn = self._ahead.get(size)
        if not drawn:
            again = drawn is not None
            if not again and len(self._ahead) == _LENGTHS:
                self._ahead.clear()  # errors that nobody has seen may be forgotten
            most = _BLOCKS_A_TURN if again else 1
            drawn = self._ahead[size] = _strike(size, self._rates, self._rng, most)
        return drawn.pop()


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


class _Rates(NamedTuple):
    """Poisson rates of strikes whose errors follow a law, relative to the ``common`` label.

    ``of`` are the Poisson rates of a strike on a byte with each of ``_SINGLES`` and, last, with an
    error of more than one pair, which ``several`` chooses; ``total`` is their sum.
    """

    common: int
    of: NDArray[np.float64]
    total: float
    several: _Table


@lru_cache(maxsize=64)
def _rates(noise: BellDiagonal) -> _Rates:
    """Rates for which a byte's last strike, in the order of ``of``, follows the law of its errors.

    An error of probability w shows if it strikes and none later in the order does:
    w = (1 − e^−rate) · P(no later strike). Solved from the first up.
    """
    law = _law(noise)
    common = law.index(max(law))
    weights = _of_four(np.array([law[label ^ common] for label in range(4)]))
    clean, singles = weights[0], weights[_SINGLES]
    weights[_SINGLES_AND_NONE] = 0
    several = float(weights.sum())
    shares = np.append(singles, several)
    before = clean + np.append(0, singles.cumsum())
    rates = np.log1p(shares / before)
    return _Rates(common, rates, float(rates.sum()), _table_of(weights / (several or 1)))


def _of_four(pair: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of a byte's 256 errors, given those of a pair's four."""
    two = np.outer(pair, pair).ravel()
    return np.outer(two, two).ravel()


def _block_for(rate: float) -> int:
    """Number of bytes to strike at a time: a power of two, whose places are cheaper to draw."""
    most = int(min(_STRIKES_A_BLOCK / rate + 1, _BLOCK_BYTES)) if rate else 1
    return 1 << most.bit_length() - 1


def _strike(size: int, rates: _Rates, rng: np.random.Generator, most: int) -> list[_Strikes]:
    """Strikes on up to ``most`` blocks of ``size`` bytes, as many as one turn allows.

    The strikes of a Poisson process are independent and uniform once their number is known, so
    they need neither sorting nor redrawing of repeats, and few need a draw for their error.
    """
    blocks = int(min(max(_STRIKES_A_TURN / (rates.total * size), 1), most))
    counts = rng.poisson(rates.of * size, size=(blocks, len(rates.of)))
    ends = np.add.reduce(counts, axis=1).cumsum().tolist()
    places = _below(size, ends[-1], rng)
    errors = _PATTERN[: counts.size].repeat(counts.ravel())
    unsaid = np.flatnonzero(errors == 0)
    errors[unsaid] = _pick(rates.several, len(unsaid), rng)
    cuts = itertools.pairwise([0, *ends])
    return [(places[first:last], errors[first:last]) for first, last in cuts]


def _below(bound: int, count: int, rng: np.random.Generator) -> NDArray[np.uint32]:
    """Independent uniform places 0..bound−1, bound ≤ 2^32."""
    if bound & bound - 1:
        return (rng.random(count) * bound).astype(np.uint32)
    halves = _words(-(-count // 2), rng).view(np.uint32)[:count]
    halves &= np.uint32(bound - 1)
    return halves


def _words(count: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    """Words of 64 fair bits: the fastest bits of every generator, raw where it makes such words."""
    if isinstance(rng.bit_generator, np.random.MT19937):
        return rng.integers(2**64, size=count, dtype=np.uint64)
    words: NDArray[np.uint64] = rng.bit_generator.random_raw(count)
    return words


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
    return _table_of(_of_four(np.array(_law(noise))))


def _table_of(law: NDArray[np.float64]) -> _Table:
    weights = law * 2**16
    owned = np.floor(weights).astype(np.intp)
    spare = 2**16 - int(owned.sum())
    errors = np.concatenate(
        [np.zeros(spare, np.uint8), np.repeat(np.arange(256, dtype=np.uint8), owned)]
    )
    return _Table(errors, spare, np.cumsum(weights - owned))


def _draw(frame: NDArray[np.uint8], table: _Table, rng: np.random.Generator) -> None:
    """XOR errors drawn from ``table`` onto whole bytes."""
    for start in range(0, len(frame), _TABLE_BYTES):
        part = frame[start : start + _TABLE_BYTES]
        part ^= _pick(table, len(part), rng)


def _pick(table: _Table, count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Errors drawn from ``table``."""
    draws = _words(-(-count // 4), rng).view(np.uint16)[:count]
    errors = table.errors.take(draws)
    refined = np.flatnonzero(draws < table.spare)
    if len(refined):
        second = rng.random(len(refined)) * table.lost[-1]
        errors[refined] = np.searchsorted(table.lost, second, side="right")
    return errors
