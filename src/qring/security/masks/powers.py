"""Linear hashes of words mod 2^B whose coefficients are the bits of powers in GF(2^m).

    A[q, j] = bit q of ζ^j,  q < m: AΔ ≡ 0 mod 2^B for a fixed Δ ≠ 0 of d words has probability
    at most (d−1)/2^m over ζ where powers start at 0.

Proof: Δ = 2^e·Δ' with Δ' odd somewhere. AΔ ≡ 0 implies AΔ' ≡ 0 mod 2: a non-zero polynomial over
GF(2^m) of degree at most d−1 vanishes at ζ. (A single random combination mod 2^B would miss an
error of 2^(B−1) with probability ½.) Independent points multiply the bound: they are for ε that a
field of 2^62 elements, the largest that fits arithmetic on whole arrays, does not reach.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["MOST_DEGREE", "HashSize", "PowerHash", "irreducible"]

Words = NDArray[np.uint64]

MOST_DEGREE = 62
"""Largest m of one field."""

_ONE = np.uint64(1)
_BLOCK = 1 << 12  # powers got from those before by one multiplication
_COUNTED = 1 << 18  # words whose sums are counted at once
_LONG = 1 << 14  # from here on coefficients are counted sixteen at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class HashSize:
    """Size of a hash: ``points`` elements of GF(2^``degree``), as many rows as ``rows``."""

    degree: int
    points: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.degree <= MOST_DEGREE:
            raise InputError(f"a field's degree lies in 1..{MOST_DEGREE}, not at {self.degree}")
        if self.points < 1:
            raise InputError(f"a hash takes at least one point, not {self.points}")

    @classmethod
    def enough(cls, roots: int, epsilon: float) -> HashSize:
        """Smallest hash that misses a fixed error with probability ``epsilon`` at most.

        ``roots`` is the largest degree of the polynomial that must not vanish.

        Raises:
            InputError: ε outside (0, 1).
        """
        if not 0 < epsilon < 1:
            raise InputError(f"epsilon lies in (0, 1), not at {epsilon}")
        lost = math.log2(max(1, roots))
        points = 1
        while True:
            degree = max(1, math.ceil(lost - math.log2(epsilon) / points - 1e-9))
            if degree <= MOST_DEGREE:
                return cls(degree=degree, points=points)
            points += 1

    @property
    def rows(self) -> int:
        """Words of one hash."""
        return self.degree * self.points

    @property
    def coin_bits(self) -> int:
        """Public coins that choose the points."""
        return self.rows

    def missed(self, roots: int) -> float:
        """Bound on the probability that a fixed error is missed."""
        return min(1.0, float(max(0, roots)) * 2.0**-self.degree) ** self.points

    def drawn(self, rng: np.random.Generator) -> tuple[int, ...]:
        """Uniform points, by public coins that are drawn now."""
        return tuple(
            int(each) for each in rng.integers(1 << self.degree, size=self.points, dtype=np.uint64)
        )


class PowerHash:
    """The hash of ``size`` at ``points``, of words mod 2^``sum_bits``."""

    __slots__ = ("_fields", "size", "sum_bits")

    def __init__(self, size: HashSize, points: tuple[int, ...], sum_bits: int) -> None:
        self.size, self.sum_bits = size, sum_bits
        self._fields = tuple(_Powers(size.degree, point) for point in points)

    def combine(self, words: Words, *, first: int = 0) -> Words:
        """A·words mod 2^B, shape (rows, size.rows), for words of shape (rows, count).

        Their coefficients are the powers number ``first`` and on: parts of a vector add up.
        """
        done = [self._at_point(field, words, first) for field in self._fields]
        return np.concatenate(done, axis=1) & np.uint64((1 << self.sum_bits) - 1)

    def _at_point(self, field: _Powers, words: Words, first: int) -> Words:
        degree, count = self.size.degree, words.shape[1]
        group = 16 if count >= _LONG else 8
        kind = np.dtype(f"<u{group // 8}")
        combined = np.zeros((len(words), degree), np.uint64)
        for start in range(0, count, _COUNTED):
            part = words[:, start : start + _COUNTED]
            powers = field.powers(first + start, part.shape[1])
            faces = powers.view(kind).reshape(len(powers), -1)
            for low in range(0, degree, group):
                chosen = faces[:, low // group].astype(np.intp)
                wide = min(group, degree - low)
                for row, own in enumerate(part):
                    combined[row, low : low + wide] += _by_face(chosen, own, wide, self.sum_bits)
        return combined


def _by_face(chosen: NDArray[np.intp], words: Words, bits: int, sum_bits: int) -> Words:
    """Sums of the words whose face has bit q, q < ``bits``, mod 2^64.

    Words of equal faces are added first, in limbs whose sums double precision holds exactly.
    """
    limb = 53 - len(words).bit_length()
    alike = np.zeros(1 << bits, np.uint64)
    for low in range(0, sum_bits, limb):
        part = words if low == 0 and sum_bits <= limb else _limb(words, low, limb)
        counted = np.bincount(chosen, part.astype(np.float64), minlength=1 << bits)
        alike += counted.astype(np.uint64) << np.uint64(low)
    sums = np.empty(bits, np.uint64)
    for bit in reversed(range(bits)):
        half = 1 << bit
        sums[bit] = alike[half:].sum(dtype=np.uint64)
        alike = alike[:half] + alike[half:]
    return sums


def _limb(words: Words, low: int, bits: int) -> Words:
    return np.asarray((words >> np.uint64(low)) & np.uint64((1 << bits) - 1), np.uint64)


class _Powers:
    """Powers of one element of GF(2^m), as polynomials whose bits are the coefficients."""

    __slots__ = ("_base", "_degree", "_modulus", "_point", "_stride")

    def __init__(self, degree: int, point: int) -> None:
        if not 0 <= point < 1 << degree:
            raise InputError(f"{point} is not an element of a field of 2^{degree}")
        self._degree, self._modulus, self._point = degree, irreducible(degree), point
        base = np.ones(1, np.uint64)
        while len(base) < _BLOCK:
            base = np.concatenate([base, self._times(self._power(len(base)), base)])
        self._base = base
        self._stride = _byte_tables(self._power(_BLOCK), degree, self._modulus)

    def powers(self, first: int, count: int) -> Words:
        """ζ^first … ζ^(first+count−1)."""
        blocks = -(-count // _BLOCK)
        found = np.empty((max(1, blocks), _BLOCK), np.uint64)
        found[0] = self._base if first == 0 else self._times(self._power(first), self._base)
        for block in range(1, blocks):
            found[block] = _looked_up(self._stride, found[block - 1])
        return found.reshape(-1)[:count]

    def _times(self, factor: int, elements: Words) -> Words:
        return _looked_up(_byte_tables(factor, self._degree, self._modulus), elements)

    def _power(self, exponent: int) -> int:
        result, square = 1, self._point
        while exponent:
            if exponent & 1:
                result = _product(result, square, self._modulus, self._degree)
            square = _product(square, square, self._modulus, self._degree)
            exponent >>= 1
        return result


def _byte_tables(factor: int, degree: int, modulus: int) -> list[Words]:
    """Products of ``factor`` with every byte at each place of an element."""
    tables, power = [], factor
    for low in range(0, degree, 8):
        table = np.zeros(1, np.uint64)
        for _ in range(min(8, degree - low)):
            table = np.concatenate([table, table ^ np.uint64(power)])
            power = _shifted(power, modulus, degree)
        tables.append(table)
    return tables


def _looked_up(tables: list[Words], elements: Words) -> Words:
    places = elements.view(np.uint8).reshape(len(elements), 8)
    found = tables[0][places[:, 0]]
    for place, table in enumerate(tables[1:], 1):
        found ^= table[places[:, place]]
    return found


def _shifted(value: int, modulus: int, degree: int) -> int:
    value <<= 1
    return value ^ modulus if value >> degree else value


def _product(a: int, b: int, modulus: int, degree: int) -> int:
    result = 0
    while b:
        if b & 1:
            result ^= a
        a, b = _shifted(a, modulus, degree), b >> 1
    return result


@functools.lru_cache(maxsize=MOST_DEGREE)
def irreducible(degree: int) -> int:
    """Return the least irreducible polynomial of this degree over GF(2), as bits of a number.

    Rabin's test: x^(2^m) = x, and x^(2^(m/p)) − x has no factor in common for primes p of m.
    """
    for candidate in range((1 << degree) | 1, 2 << degree, 2):
        if _is_irreducible(candidate, degree):
            return candidate
    raise AssertionError("every degree has an irreducible polynomial")


def _is_irreducible(candidate: int, degree: int) -> bool:
    if degree == 1:
        return True
    stops = {degree // p for p in range(2, degree + 1) if degree % p == 0 and _is_prime(p)}
    power = 2  # x
    for step in range(1, degree + 1):
        power = _product(power, power, candidate, degree)
        if step in stops and _divisor(candidate, power ^ 2) != 1:
            return False
    return power == 2


def _is_prime(number: int) -> bool:
    return all(number % each for each in range(2, math.isqrt(number) + 1))


def _divisor(a: int, b: int) -> int:
    """Greatest common divisor of polynomials over GF(2)."""
    while b:
        while a.bit_length() >= b.bit_length():
            a ^= b << (a.bit_length() - b.bit_length())
        a, b = b, a
    return a
