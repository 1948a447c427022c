"""Generator polynomials of binary BCH codes, for any length and distance that masks need.

Libraries of codes build their matrices whole, which a code of a million coordinates forbids. The
masks need only the generator: with zeros α, α², …, α^2K, for a primitive α of GF(2^m), it has
degree at most m·K, and every non-zero multiple of degree below 2^m−1 has more than 2K terms.
Source: Bose and Ray-Chaudhuri 1960; Hocquenghem 1959.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["LARGEST_DEGREE", "generator", "primitive", "redundancy"]

LARGEST_DEGREE = 32
"""Largest m: codes of up to 2^32 − 1 coordinates."""

_Elements = NDArray[np.uint64]
"""Elements of GF(2^m) as polynomials in α: bit k is the coefficient of α^k."""


@functools.lru_cache(maxsize=16)
def generator(degree: int, withstood: int) -> NDArray[np.uint8]:
    """Coefficients, 0 or 1 and lowest first, of the code of length 2^m − 1 and distance > 2K.

    ``degree`` is m, ``withstood`` is K.

    Raises:
        InputError: no such code has a codeword.
    """
    field = _Field(degree)
    factors = [np.ones(1, np.uint8)]
    for size, powers in _cosets(degree, withstood):
        factors.extend(field.minimal_polynomials(powers, size))
    while len(factors) > 1:  # as a tree, so that the last products are the only long ones
        pairs = zip(factors[::2], factors[1::2], strict=False)
        factors = [*(_product(a, b) for a, b in pairs), *factors[len(factors) & ~1 :]]
    found = factors[0]
    found.setflags(write=False)  # cached
    return found


def redundancy(degree: int, withstood: int) -> int:
    """Degree of :func:`generator`: coordinates that the code loses, at most m·K."""
    return sum(size * len(powers) for size, powers in _cosets(degree, withstood))


@functools.lru_cache(maxsize=1024)
def _cosets(degree: int, withstood: int) -> tuple[tuple[int, _Elements], ...]:
    """Zeros of the generator up to conjugation: (size, powers of α) of cosets of each size."""
    if not 2 <= degree <= LARGEST_DEGREE:
        raise InputError(f"a field of 2^{degree} elements: m lies in 2..{LARGEST_DEGREE}")
    length = (1 << degree) - 1
    if not 0 <= withstood <= (length - 1) // 2:
        raise InputError(
            f"no code of {length} coordinates withstands {withstood} corrupted ones, only "
            f"0..{(length - 1) // 2}"
        )
    powers = np.arange(1, 2 * withstood, 2, dtype=np.uint64)  # even ones are conjugate to these
    turned, least, size = powers.copy(), powers.copy(), np.zeros(len(powers), np.int64)
    for step in range(1, degree + 1):
        turned = (turned << np.uint64(1)) % np.uint64(length)
        size[(turned == powers) & (size == 0)] = step
        np.minimum(least, turned, out=least)
    return tuple((int(each), np.unique(least[size == each])) for each in np.unique(size))


class _Field:
    """GF(2^m), with arithmetic on whole arrays."""

    def __init__(self, degree: int) -> None:
        self._degree = degree
        self._modulus = np.uint64(primitive(degree))

    def multiply(self, a: _Elements, b: _Elements) -> _Elements:
        result = np.zeros(np.broadcast_shapes(a.shape, b.shape), np.uint64)
        one, top = np.uint64(1), np.uint64(self._degree - 1)
        for bit in range(self._degree):
            result ^= a * ((b >> np.uint64(bit)) & one)
            a = (a << one) ^ (self._modulus * ((a >> top) & one))
        return result

    def power_of_alpha(self, exponents: _Elements) -> _Elements:
        result = np.ones(exponents.shape, np.uint64)
        square = np.full(1, 2, np.uint64)
        for bit in range(self._degree):
            chosen = (exponents >> np.uint64(bit)) & np.uint64(1) == 1
            result = np.where(chosen, self.multiply(result, square), result)
            square = self.multiply(square, square)
        return result

    def minimal_polynomials(self, powers: _Elements, size: int) -> Iterator[NDArray[np.uint8]]:
        """Π_i (x − β^(2^i)), i < size, for each β = α^power, lowest coefficient first."""
        root = self.power_of_alpha(powers)
        found = np.zeros((len(powers), size + 1), np.uint64)
        found[:, 0] = 1
        for _ in range(size):
            shifted = np.zeros_like(found)
            shifted[:, 1:] = found[:, :-1]
            found = shifted ^ self.multiply(found, root[:, None])
            root = self.multiply(root, root)
        yield from found.astype(np.uint8)


def _product(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Product over GF(2): counts of common terms, below 2^32, which double precision resolves."""
    terms = len(a) + len(b) - 1
    size = 1 << (terms - 1).bit_length()
    counts = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(b, size), size)[:terms]
    return np.asarray(np.rint(counts).astype(np.int64) & 1, np.uint8)


@functools.lru_cache(maxsize=LARGEST_DEGREE)
def primitive(degree: int) -> int:
    """Return the least primitive polynomial of this degree over GF(2), as the bits of a number."""
    order = (1 << degree) - 1
    stops = [order // prime for prime in _prime_factors(order)]
    for candidate in range((1 << degree) | 1, 2 << degree, 2):
        if _power_of_x(order, candidate, degree) == 1 and all(
            _power_of_x(stop, candidate, degree) != 1 for stop in stops
        ):
            return candidate
    raise AssertionError("every degree has a primitive polynomial")


def _power_of_x(exponent: int, modulus: int, degree: int) -> int:
    """x^exponent modulo a polynomial over GF(2)."""
    result = 1
    for bit in f"{exponent:b}":
        product, factor, shifted = 0, result, result
        while factor:  # square
            if factor & 1:
                product ^= shifted
            factor >>= 1
            shifted <<= 1
            if shifted >> degree:
                shifted ^= modulus
        result = product
        if bit == "1":
            result <<= 1
            if result >> degree:
                result ^= modulus
    return result


def _prime_factors(number: int) -> list[int]:
    found, candidate = [], 2
    while candidate * candidate <= number:
        if number % candidate == 0:
            found.append(candidate)
            while number % candidate == 0:
                number //= candidate
        candidate += 1
    return [*found, number] if number > 1 else found
