"""Exact samples of the discrete Gaussian, from bytes of a cryptographic source.

N_Z(0, σ²) gives every integer x a probability proportional to exp(−x²/2σ²). A uniform real U,
of which only as many binary digits are drawn as a decision needs, is compared with numbers that are
known to any precision: nothing is rounded, so the law is exact, down to the float σ itself.
Magnitudes are cut into blocks of a power of two; the block is found by inversion in a table of
cumulative weights, the place in it by rejection.

The law is that of Canonne, Kamath and Steinke, The discrete Gaussian for differential privacy
(2020); the way to sample it is ours.
"""

from __future__ import annotations

import bisect
import decimal
import functools
import math
import os
from collections.abc import Callable
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["NARROWEST", "WIDEST", "Source", "discrete_gaussian"]

Source = Callable[[int], bytes]
"""Gives as many random bytes as asked for; ``os.urandom`` is one."""

NARROWEST, WIDEST = 0.5, 2.0**40
"""Range of σ."""

_BLOCKS = 2048  # most blocks in one σ: the table stays in the processor's cache
_GUARD = 96  # binary digits beyond those wanted, for what truncation takes away
_DOUBT = 2.0**-40  # far more than floats err below, in units of a probability


def discrete_gaussian(sigma: float, count: int, source: Source = os.urandom) -> NDArray[np.int64]:
    """Draw ``count`` independent samples of N_Z(0, σ²). Standing: exact.

    The time it takes depends a little on what is drawn.

    Raises:
        InputError: ``sigma`` is outside ``NARROWEST``..``WIDEST``.
    """
    if not NARROWEST <= sigma <= WIDEST:
        raise InputError(f"σ lies in {NARROWEST}..2^40 steps, not at {sigma}")
    width = 1 << max(0, math.ceil(math.log2(sigma / _BLOCKS)))
    samples = np.empty(count, np.int64)
    done = 0
    while done < count:
        missing = count - done
        found = _accepted(sigma, width, missing + missing // 256 + 8, source)[:missing]
        samples[done : done + len(found)] = found
        done += len(found)
    return samples


def _accepted(sigma: float, width: int, tries: int, source: Source) -> NDArray[np.int64]:
    """Propose ``tries`` values, and return those that are accepted, in order."""
    first = _blocks(sigma, width, tries, source) * width
    magnitude = first
    keep = np.ones(tries, bool)
    if width > 1:
        offset = (_words(tries, source) & np.uint64(width - 1)).view(np.int64)
        magnitude = first + offset
        keep = _coins(sigma, first, offset, source)
    coins = np.frombuffer(source(-(-tries // 8)), np.uint8)
    negative = np.unpackbits(coins, count=tries).view(bool)
    keep &= (magnitude > 0) | ~negative  # there is only one zero
    return np.where(negative, -magnitude, magnitude)[keep]


def _blocks(sigma: float, width: int, tries: int, source: Source) -> NDArray[np.int64]:
    """Draw numbers of blocks, k with weight exp(−(k·width)²/2σ²), k ≥ 0."""
    table = _table(sigma, width)
    drawn = _words(tries, source)
    blocks = np.searchsorted(table, drawn)
    for k in np.flatnonzero(table[blocks] == drawn):  # the digits drawn do not decide yet
        blocks[k] = _block(sigma, width, int(drawn[k]), source)
    return blocks


def _block(sigma: float, width: int, drawn: int, source: Source) -> int:
    bits = 64
    while True:
        bits += 64
        drawn = (drawn << 64) | int.from_bytes(source(8), "big")
        thresholds = _thresholds(sigma, width, bits)
        block = bisect.bisect_left(thresholds, drawn)
        if thresholds[block] != drawn:
            return block


def _coins(
    sigma: float, first: NDArray[np.int64], offset: NDArray[np.int64], source: Source
) -> NDArray[np.bool_]:
    """True with probability exp(−((first+offset)² − first²)/2σ²)."""
    odds = np.exp(-offset * (2.0 * first + offset) / (2 * sigma * sigma))
    drawn = _words(len(first), source)
    distance = odds - drawn * 2.0**-64
    coins = np.asarray(distance > 0)
    for k in np.flatnonzero(np.abs(distance) < _DOUBT):
        coins[k] = _coin(sigma, int(first[k]), int(offset[k]), int(drawn[k]), source)
    return coins


def _coin(sigma: float, first: int, offset: int, drawn: int, source: Source) -> bool:
    bits = 64
    while True:
        digits = bits // 3 + 20
        with decimal.localcontext(prec=digits):
            exponent = -Decimal(offset * (2 * first + offset)) / (2 * Decimal(sigma) ** 2)
            odds = exponent.exp() * (1 << bits)
            doubt = Decimal(10) ** (4 - digits) * (1 << bits)
            if drawn + 1 <= odds - doubt:
                return True
            if drawn >= odds + doubt:
                return False
        bits += 64
        drawn = (drawn << 64) | int.from_bytes(source(8), "big")


def _words(count: int, source: Source) -> NDArray[np.uint64]:
    return np.frombuffer(source(8 * count), np.uint64)


@functools.lru_cache(maxsize=32)
def _table(sigma: float, width: int) -> NDArray[np.uint64]:
    return np.array(_thresholds(sigma, width, 64), np.uint64)


@functools.lru_cache(maxsize=4)
def _thresholds(sigma: float, width: int, bits: int, guard: int = _GUARD) -> list[int]:
    """⌊2^bits·C_k⌋ for every k that ``bits`` digits tell apart, C_k the cumulative weights.

    Weights follow by recurrence, in fixed point of ``bits + guard`` digits. Each of K steps errs
    by at most a few last places more than the one before: all errors, and the tail left out, stay
    below 4K³ last places. Where that leaves a floor open, the guard is doubled.
    """
    places = bits + guard
    with decimal.localcontext(prec=places // 3 + 20):
        ratio = (-Decimal(width * width) / (2 * Decimal(sigma) ** 2)).exp()
        shrink = int(ratio * (1 << places))
    squared = shrink * shrink >> places
    weight, total, sums = 1 << places, 0, []
    while weight:
        total += weight
        sums.append(total)
        weight = weight * shrink >> places
        shrink = shrink * squared >> places
    error = 4 * len(sums) ** 3
    largest = (1 << bits) - 1  # no C_k is 1: the law has no end
    low = [((part - error) << bits) // (total + error) for part in sums]
    high = [min(largest, ((part + error) << bits) // (total - error)) for part in sums]
    return low if low == high else _thresholds(sigma, width, bits, 2 * guard)
