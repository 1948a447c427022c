"""Syndromes that correct noisy digits, on whole words: H·u mod 2^B serves every plane of digits.

H is a public random matrix over {0, 1} with few ones a column, drawn after the copies were
received; rows have equally many ones. Belief propagation (Gallager 1963) finds the errors behind a
syndrome of a plane. That a plane of 32,768 digits is decoded at 1.2·h(q) rows a digit was measured
and is no theorem: what fails gets more rows, and what is wrong the check of sums finds.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qring.security.masks.gathering import Words

__all__ = ["SyndromeCode", "decode", "rows_for"]

_COLUMNS = ((2, 0.15), (3, 0.5), (4, 0.1), (8, 0.1), (14, 0.15))
"""Ones of a column, and the share of columns that have so many."""
_MORE_COLUMNS = ((1, 0.6), (2, 0.4))
_EFFICIENCY, _SHORTNESS, _RARE, _DENSE = 1.24, 26.0, 0.025, 0.06
_MORE = 0.12  # rows added where decoding failed
_ITERATIONS = 120

Bits = NDArray[np.uint8]


def rows_for(length: int, error: float) -> tuple[int, int]:
    """Rows for blocks of ``length`` digits of which a share ``error`` is wrong; and more of them.

    f·N·h(q), f = 1.24 at 32,768 digits and .025 ≤ q ≤ .06, more elsewhere and in short blocks: so
    that a plane seldom fails. Measured, not derived. None where nothing is wrong.
    """
    if error == 0:
        return 0, 0
    entropy = -error * math.log2(error) - (1 - error) * math.log2(1 - error)
    short = _SHORTNESS * (1 / math.sqrt(length) - 1 / math.sqrt(1 << 15))
    off = 0.15 * math.log2(max(1.0, _RARE / error, error / _DENSE))
    efficiency = _EFFICIENCY + short + off
    rows = min(length, math.ceil(efficiency * length * entropy) + 8)
    return rows, min(length, math.ceil(_MORE * rows) + 32)


class SyndromeCode:
    """H with ``rows`` rows of equal weight and ``length`` columns."""

    __slots__ = ("_columns", "_places", "length", "rows", "weight")

    def __init__(
        self, length: int, rows: int, rng: np.random.Generator, *, more: bool = False
    ) -> None:
        self.length, self.rows = length, rows
        shares = _MORE_COLUMNS if more else _COLUMNS
        ones = np.concatenate(
            [np.full(math.ceil(share * length), min(weight, rows)) for weight, share in shares]
        )[:length]
        self.weight = -(-int(ones.sum()) // rows)
        lacking = rows * self.weight - int(ones.sum())
        ones += np.bincount(np.arange(lacking) % length, minlength=length)
        columns = np.repeat(np.arange(length), ones)
        rng.shuffle(columns)
        self._columns = _apart(columns, self.weight, rng)
        order = np.argsort(self._columns, kind="stable")
        counts = np.bincount(self._columns, minlength=length)
        starts = np.cumsum(counts) - counts
        self._places = [
            (alike, order[starts[alike][:, None] + np.arange(weight)])
            for weight in np.unique(counts[counts > 0])
            for alike in [np.flatnonzero(counts == weight)]
        ]

    def of(self, words: Words) -> Words:
        """H·words along the last axis, mod 2^64: shape (…, length) to (…, rows)."""
        spread = words[..., self._columns]
        shape = (*words.shape[:-1], self.rows, self.weight)
        return np.asarray(spread.reshape(shape).sum(axis=-1, dtype=np.uint64))

    def of_bits(self, bits: Bits) -> Bits:
        """H·bits mod 2."""
        spread = bits[self._columns].reshape(self.rows, self.weight)
        return np.asarray(np.bitwise_xor.reduce(spread, axis=1))

    def to_rows(self, beliefs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Belief of every column, at each of its ones."""
        return beliefs[self._columns]

    def to_columns(self, messages: NDArray[np.float32], total: NDArray[np.float32]) -> None:
        """Add what every one of a column says to its ``total``."""
        for alike, places in self._places:
            total[alike] += messages[places].sum(axis=1)


def decode(codes: list[SyndromeCode], syndromes: list[Bits], error: float) -> Bits | None:
    """Errors, each of probability ``error``, behind the syndromes of all ``codes``; if found.

    Sum-product in the tanh domain, single precision.
    """
    length = codes[0].length
    prior = np.float32(math.log((1 - error) / error))
    signs = [(1 - 2 * each.astype(np.float32))[:, None] for each in syndromes]
    said = [np.zeros(code.rows * code.weight, np.float32) for code in codes]
    total = np.full(length, prior, np.float32)
    for _ in range(_ITERATIONS):
        fresh = np.full(length, prior, np.float32)
        for k, code in enumerate(codes):
            beliefs = code.to_rows(total)
            beliefs -= said[k]
            beliefs *= np.float32(0.5)
            soft = np.tanh(beliefs, out=beliefs).reshape(code.rows, code.weight)
            soft[np.abs(soft) < 1e-6] = 1e-6
            others = np.multiply.reduce(soft, axis=1, keepdims=True) * signs[k] / soft
            np.clip(others, -0.999999, 0.999999, out=others)
            said[k] = (np.log1p(others) - np.log1p(-others)).reshape(-1)
            code.to_columns(said[k], fresh)
        total = fresh
        found: Bits = (total < 0).view(np.uint8)
        if all(
            (code.of_bits(found) == each).all() for code, each in zip(codes, syndromes, strict=True)
        ):
            return found
    return None


def _apart(columns: NDArray[np.intp], weight: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Move ones about until hardly any row has two in one column."""
    rows = np.arange(len(columns)) // weight
    for _ in range(50):
        key = columns * len(columns) + rows
        order = np.argsort(key, kind="stable")
        twice = order[1:][key[order][1:] == key[order][:-1]]
        if len(twice) == 0:
            break
        other = rng.permutation(len(columns))[: len(twice)]
        columns[twice], columns[other] = columns[other].copy(), columns[twice].copy()
    return columns
