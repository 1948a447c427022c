"""Numbers on the command line: one vocabulary for all options.

Wherever a number is expected, ``1e6``, ``2^-40``, ``1_000_000`` and ``0.5`` are understood; whole
numbers may be written so too, if they are whole. Sizes take units: ``25MB``, ``1.5GiB``. What is
not finite, or outside an option's range, is refused with the range.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction

__all__ = [
    "at_least",
    "decimal",
    "number",
    "positive",
    "probability",
    "seed",
    "size",
    "train_seed",
    "whole",
]

_LARGEST = 2**63 - 1
_PLAIN = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST = 60
_UNITS = {"": 1, "B": 1}
_UNITS |= {f"{p}B": 1000**k for k, p in enumerate(("k", "M", "G", "T"), 1)}
_UNITS |= {f"{p}iB": 1024**k for k, p in enumerate(("K", "M", "G", "T"), 1)}
_SIZE = re.compile(r"\s*([^A-Za-z\s]+(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)\s*")


def decimal(text: str) -> Fraction:
    """Read a number exactly: a decimal, or a power such as ``2^-40``.

    Raises:
        ArgumentTypeError: not a number, not a real one, or far beyond what floats hold.
    """
    base, mark, power = text.strip().partition("^")
    if not mark:
        return _exact(base, text)
    low, high = _exact(base, text), _exact(power, text)
    if high.denominator != 1:
        if low <= 0:
            raise argparse.ArgumentTypeError(f"{_shown(text)}: a root of {base} is no number here")
        try:
            return Fraction(float(low) ** float(high))
        except OverflowError:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is too large") from None
    if low == 0 and high < 0:
        raise argparse.ArgumentTypeError(f"{_shown(text)} divides by zero")
    if abs(high) > 4096 or abs(high) * max(abs(low.numerator).bit_length(), 1) > 1 << 14:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is too large or too small")
    result: Fraction = low ** int(high)
    return result


def number(
    low: float = -1e300, high: float = 1e300, *, above: bool = False, below: bool = False
) -> Callable[[str], float]:
    """Make a reader of finite reals in [low, high]; ``above``, ``below``: without that end."""

    def real(text: str) -> float:
        value = _rounded(decimal(text), text)
        inside = (value > low if above else value >= low) and (
            value < high if below else value <= high
        )
        if not inside:
            raise argparse.ArgumentTypeError(
                f"{_shown(text)} is outside {'(' if above else '['}{low:g}, {high:g}"
                f"{')' if below else ']'}"
            )
        return value

    return real


def at_least(low: int, high: int = _LARGEST) -> Callable[[str], int]:
    """Make a reader of whole numbers in low..high."""

    def count(text: str) -> int:
        value = decimal(text)
        if value.denominator != 1:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is not a whole number")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{_shown(text)} is outside {_end(low)}..{_end(high)}")
        return int(value)

    return count


whole = at_least(-_LARGEST)
"""Reads any whole number of 64 bits; ranges are left to what takes it."""

probability = number(1e-100, 1.0, below=True)
"""Reads a probability; below 1e-100 none has a meaning."""

positive = number(1e-100, 1e100)
"""Reads a positive number with room to be squared."""


def seed(text: str) -> int:
    """Read a seed, 0..2^63−1."""
    return at_least(0)(text)


def train_seed(text: str) -> int:
    """Read a seed of a training, 0..2^32−1, as PyTorch and NumPy's older generators take it."""
    return at_least(0, 2**32 - 1)(text)


def size(text: str) -> int:
    """Read a number of bytes: ``25MB`` is 25·10^6, ``25MiB`` 25·2^20.

    Raises:
        ArgumentTypeError: no size, or beyond 2^63−1.
    """
    match = _SIZE.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise argparse.ArgumentTypeError(
            f"{_shown(text)} is not a size; sizes are like 25MB, 1.5GiB or 4096"
        )
    value = decimal(match[1]) * _UNITS[match[2]]
    if not 0 <= value <= _LARGEST:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is outside 0..2^63-1 bytes")
    return int(value)


def _exact(part: str, text: str) -> Fraction:
    part = part.strip()
    if len(part) <= _LONGEST and _PLAIN.fullmatch(part):
        try:
            with localcontext() as context:
                context.prec = _LONGEST + 5
                return Fraction(Decimal(part))
        except (InvalidOperation, ValueError):
            pass
    raise argparse.ArgumentTypeError(
        f"{_shown(text)} is not a number; numbers are like 12, 0.5, 1e6 or 2^-40"
    )


def _rounded(value: Fraction, text: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{_shown(text)} is too large") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _end(value: int) -> str:
    if value == _LARGEST:
        return "2^63-1"
    if value == -_LARGEST:
        return "-2^63+1"
    return f"2^{value.bit_length()}-1" if value > 10**6 and not value & (value + 1) else str(value)
