"""Binary BCH codes, shortened to any length, with bounded-distance decoding of many frames at once.

A frame is its information bits followed by the parity bits. The decoder corrects every pattern of
at most t errors and nothing else. Products with 0/1 matrices are taken in single precision, which
counts to 2^24 exactly. Source: Bose and Ray-Chaudhuri 1960; Hocquenghem 1959; Massey, IEEE Trans.
Inf. Theory 15, 122 (1969), for the locator; Chien, ibid. 10, 357 (1964), for its roots.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes.bch_polynomial import generator, primitive, redundancy
from qring.errors import InputError

__all__ = ["LARGEST_FIELD", "BchCode", "Corrected", "bch_code"]

LARGEST_FIELD = 14
"""Largest m: frames of up to 2^14 − 1 bits."""

_FRAMES_AT_ONCE = 128

Bits = NDArray[np.uint8]
_Symbols = NDArray[np.int64]


class Corrected(NamedTuple):
    """Information bits, shape (frames, information), and which frames have no codeword near.

    Where a frame is lost its information bits are as received.
    """

    information: Bits
    lost: NDArray[np.bool_]


class BchCode(NamedTuple):
    """The primitive narrow-sense code over GF(2^m) that corrects t errors, as tables.

    ``parity`` has shape (2^m−1−r, r): what each information bit, the last first, adds to the
    parity bits. ``syndromes`` has shape (r, t·m): the odd power sums of each parity bit.
    """

    field_degree: int
    corrects: int
    parity: NDArray[np.float32]
    syndromes: NDArray[np.float32]
    powers: _Symbols
    logs: _Symbols

    @property
    def parity_bits(self) -> int:
        """r: bits that every frame adds to its information."""
        return int(self.parity.shape[1])

    @property
    def information_bits(self) -> int:
        """Most information bits a frame."""
        return int(self.parity.shape[0])

    def encode(self, information: Bits) -> Bits:
        """Frames of shape (frames, bits + r) from information of shape (frames, bits).

        Raises:
            InputError: more bits than a frame holds.
        """
        return np.concatenate([information, self._parity(information)], axis=1)

    def decode(self, frames: Bits) -> Corrected:
        """Correct frames of shape (frames, bits + r)."""
        parts = [
            self._decode(frames[start : start + _FRAMES_AT_ONCE])
            for start in range(0, len(frames), _FRAMES_AT_ONCE)
        ]
        information = np.concatenate([part.information for part in parts])
        return Corrected(information, np.concatenate([part.lost for part in parts]))

    def _parity(self, information: Bits) -> Bits:
        count = information.shape[1]
        if count > self.information_bits:
            raise InputError(
                f"{count} information bits in a frame of this code; it holds "
                f"{self.information_bits}"
            )
        return _product(information, self.parity[self.information_bits - count :])

    def _decode(self, frames: Bits) -> Corrected:
        bits = frames.shape[1] - self.parity_bits
        information = frames[:, :bits].copy()
        remainder = self._parity(information) ^ frames[:, bits:]
        struck = np.flatnonzero(remainder.any(axis=1))
        lost = np.zeros(len(frames), np.bool_)
        if len(struck) == 0:
            return Corrected(information, lost)
        locators, degrees = self._locators(self._power_sums(remainder[struck]))
        where = self._roots(locators, degrees, frames.shape[1])
        found = (where.sum(axis=1) == degrees) & (degrees <= self.corrects)
        lost[struck[~found]] = True
        # Place p of a frame is the coefficient of x^(length−1−p).
        information[struck[found]] ^= where[found, ::-1][:, :bits]
        return Corrected(information, lost)

    def _power_sums(self, remainder: Bits) -> _Symbols:
        """S_1 … S_2t of each frame, shape (frames, 2t)."""
        m, t = self.field_degree, self.corrects
        bits = _product(remainder, self.syndromes).reshape(-1, t, m).astype(np.int64)
        sums = np.zeros((len(remainder), 2 * t), np.int64)
        sums[:, 0::2] = bits @ (1 << np.arange(m, dtype=np.int64))
        for place in range(1, 2 * t, 2):  # S_2j = S_j²
            root = sums[:, place // 2]
            sums[:, place] = self._times(root, root)
        return sums

    def _times(self, a: _Symbols, b: _Symbols) -> _Symbols:
        product = self.powers[self.logs[a] + self.logs[b]]
        return np.where((a != 0) & (b != 0), product, 0)

    def _locators(self, sums: _Symbols) -> tuple[_Symbols, _Symbols]:
        """Error locators, shape (frames, t+2), lowest coefficient first, and their degrees."""
        count, doubled = sums.shape
        width = self.corrects + 2
        order = (1 << self.field_degree) - 1
        now = np.zeros((count, width), np.int64)
        now[:, 0] = 1
        before = np.zeros_like(now)
        before[:, 1] = 1  # already times x
        length = np.zeros(count, np.int64)
        last = np.ones(count, np.int64)
        for step in range(0, doubled, 2):  # over GF(2) every other discrepancy vanishes
            wrong = sums[:, step].copy()
            for k in range(1, min(width - 1, step) + 1):
                wrong ^= self._times(now[:, k], sums[:, step - k])
            ratio = np.where(
                wrong != 0, self.powers[(self.logs[wrong] - self.logs[last]) % order], 0
            )
            grown = now ^ self._times(ratio[:, None], before)
            longer = (wrong != 0) & (2 * length <= step)
            before = np.where(longer[:, None], now, before)
            last = np.where(longer, wrong, last)
            length = np.where(longer, step + 1 - length, length)
            now = grown
            before = np.roll(before, 2, axis=1)
            before[:, :2] = 0
        return now, length

    def _roots(self, locators: _Symbols, degrees: _Symbols, length: int) -> NDArray[np.bool_]:
        """Exponents 0..length−1 of the error places: Λ(α^−p) = 0; shape (frames, length)."""
        order = (1 << self.field_degree) - 1
        places = np.arange(length, dtype=np.int64)
        value = np.repeat(locators[:, :1].astype(np.int16), length, axis=1)
        powers = self.powers.astype(np.int16)
        for k in range(1, int(min(degrees.max(), self.corrects)) + 1):
            taking = np.flatnonzero(locators[:, k])
            turn = (order - k * places % order) % order
            value[taking] ^= powers[self.logs[locators[taking, k], None] + turn]
        return np.asarray(value == 0)


@functools.lru_cache(maxsize=32)
def bch_code(field_degree: int, corrects: int) -> BchCode:
    """The code over GF(2^``field_degree``) that corrects ``corrects`` errors.

    Raises:
        InputError: no such code, or m not in 4..14.
    """
    if not 4 <= field_degree <= LARGEST_FIELD:
        raise InputError(f"a BCH code over GF(2^{field_degree}): m lies in 4..{LARGEST_FIELD}")
    if corrects < 1:
        raise InputError(f"a code that corrects {corrects} errors; it corrects 1 or more")
    divisor = generator(field_degree, corrects)  # refuses what cannot be
    order, r = (1 << field_degree) - 1, redundancy(field_degree, corrects)
    if r >= order:
        raise InputError(
            f"no code of {order} bits corrects {corrects} errors and carries information"
        )
    powers, logs = _tables(field_degree)
    odd = np.arange(1, 2 * corrects, 2, dtype=np.int64)
    exponents = np.arange(r - 1, -1, -1, dtype=np.int64)
    values = powers[exponents[:, None] * odd % order]
    bits = values[:, :, None] >> np.arange(field_degree) & 1
    return BchCode(
        field_degree,
        corrects,
        _parity_rows(divisor, order - r),
        np.ascontiguousarray(bits.reshape(r, -1), np.float32),
        powers,
        logs,
    )


def _parity_rows(divisor: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """x^(r+i) modulo the generator, i = count−1 … 0, highest coefficient first."""
    r = len(divisor) - 1
    low = divisor[:-1].astype(np.bool_)
    rows = np.empty((count, r), np.bool_)
    rest = low.copy()
    for i in range(count):
        rows[count - 1 - i] = rest[::-1]
        top = rest[-1]
        rest[1:] = rest[:-1].copy()
        rest[0] = False
        if top:
            rest ^= low
    return rows.astype(np.float32)


def _tables(m: int) -> tuple[_Symbols, _Symbols]:
    """Powers of α, three times around, and logarithms, that of 0 being 0."""
    order = (1 << m) - 1
    modulus = primitive(m)
    powers = np.empty(3 * order, np.int64)
    logs = np.zeros(order + 1, np.int64)
    value = 1
    for exponent in range(order):
        powers[exponent] = value
        logs[value] = exponent
        value <<= 1
        if value > order:
            value ^= modulus
    powers[order:] = np.tile(powers[:order], 2)
    return powers, logs


def _product(bits: Bits, matrix: NDArray[np.float32]) -> Bits:
    """Rows of bits times a 0/1 matrix, modulo 2."""
    counts = bits.astype(np.float32) @ matrix
    return (counts.astype(np.int32) & 1).astype(np.uint8)
