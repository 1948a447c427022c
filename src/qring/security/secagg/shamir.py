"""Shamir's secret sharing over a prime field: t shares give the secret, fewer give nothing.

Source: Shamir, How to share a secret (1979).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping

from qring.errors import InputError

__all__ = ["PRIME", "SHARE_BYTES", "combine", "evaluate", "split"]

PRIME = (1 << 521) - 1
"""The field: the Mersenne prime 2^521 − 1."""

SHARE_BYTES = 66
"""Bytes that hold one share."""


def split(
    secret: int, threshold: int, points: Iterable[int], source: Callable[[int], bytes]
) -> dict[int, int]:
    """Return a share of ``secret`` for each of ``points``, any ``threshold`` of which recover it.

    ``source(count)`` gives that many random bytes. Points are positive and differ.

    Raises:
        InputError: a secret outside the field, or a point that would show it.
    """
    where = tuple(points)
    if not 0 <= secret < PRIME:
        raise InputError("a secret must lie in the field 0..2^521−2; share it in parts")
    if min(where) < 1 or len(set(where)) < len(where):
        raise InputError(f"points must be positive and differ, not {where}")
    return evaluate((secret, *(_element(source) for _ in range(threshold - 1))), where)


def evaluate(
    coefficients: Iterable[int], points: Iterable[int], prime: int = PRIME
) -> dict[int, int]:
    """Value at each point of the polynomial with these coefficients, lowest power first."""
    highest_first = tuple(coefficients)[::-1]
    shares = {}
    for point in points:
        value = 0
        for coefficient in highest_first:  # points are small: one reduction at the end is faster
            value = value * point + coefficient
        shares[point] = value % prime
    return shares


def combine(shares: Mapping[int, int], prime: int = PRIME) -> int:
    """Value at zero of the polynomial of least degree through ``shares`` (value by point)."""
    points = tuple(sorted(shares))
    weights = _lagrange_at_zero(points, prime)
    total = sum(weight * shares[point] for weight, point in zip(weights, points, strict=True))
    return total % prime


@functools.lru_cache(maxsize=256)
def _lagrange_at_zero(points: tuple[int, ...], prime: int) -> tuple[int, ...]:
    product = math.prod(points)
    below = [
        point * math.prod(other - point for other in points if other != point) for point in points
    ]
    inverses = _inverses([value % prime for value in below], prime)
    return tuple(product * inverse % prime for inverse in inverses)


def _inverses(values: list[int], prime: int) -> list[int]:
    """Inverses of all values, by one inversion (Montgomery's trick)."""
    before = [1]
    for value in values:
        before.append(before[-1] * value % prime)
    rest = pow(before[-1], -1, prime)
    found = []
    for value, product in zip(reversed(values), reversed(before[:-1]), strict=True):
        found.append(rest * product % prime)
        rest = rest * value % prime
    return found[::-1]


def _element(source: Callable[[int], bytes]) -> int:
    """Draw a uniform element of the field."""
    while True:
        drawn = int.from_bytes(source(SHARE_BYTES), "big") & PRIME  # the low 521 bits
        if drawn < PRIME:
            return drawn
