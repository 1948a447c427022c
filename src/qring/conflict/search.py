"""Bisection over whole numbers."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["least"]


def least(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The least number from ``low`` to ``high`` that fits, where larger ones fit too."""
    if low >= high or not fits(high):
        return high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return high
