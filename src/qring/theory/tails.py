"""Bounds for tails of the binomial and the hypergeometric law, and for volumes of Hamming balls.

Terms come from log-gamma. Both laws are log-concave: beyond its first term a tail falls at least as
fast as the geometric series whose ratio is that of the first two, so it is at most f/(1 − ratio).
All results are base-2 logarithms: tails far below 10^−308 count. Standing: bounds.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

__all__ = [
    "largest",
    "log_binomial",
    "log_binomial_above",
    "log_hypergeometric_above",
    "log_hypergeometric_up_to",
    "log_volume",
    "smallest",
    "smallest_with",
]


def log_binomial(n: int, k: int) -> float:
    """log2 C(n, k); −∞ outside 0..n."""
    if not 0 <= k <= n:
        return -math.inf
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(2)


def log_volume(n: int, radius: int) -> float:
    """log2 of the number of words of n bits with at most ``radius`` ones."""
    if radius < 0:
        return -math.inf
    if 2 * radius >= n:
        return float(n)
    return log_binomial(n, radius) + _geometric(radius / (n - radius + 1))


def log_binomial_above(trials: int, chance: float, count: int) -> float:
    """log2 P[Bin(trials, chance) > count]."""
    first = count + 1
    if first <= 0:
        return 0.0
    if first > trials or chance <= 0:
        return -math.inf
    if chance >= 1 or first <= trials * chance:
        return 0.0  # a bound: the tail holds the mean
    odds = chance / (1 - chance)
    top = log_binomial(trials, first) + first * math.log2(chance)
    top += (trials - first) * math.log2(1 - chance)
    return min(0.0, top + _geometric((trials - first) / (first + 1) * odds))


def log_hypergeometric_up_to(total: int, marked: int, drawn: int, count: int) -> float:
    """log2 P[at most ``count`` of ``marked`` things are among ``drawn`` of ``total``]."""
    least = max(0, drawn + marked - total)
    if count < least:
        return -math.inf
    if count >= min(marked, drawn) or count * total >= drawn * marked:
        return 0.0  # all of it, or a bound: the tail holds the mean
    top = _log_hypergeometric(total, marked, drawn, count)
    others = total - marked - drawn
    ratio = count * (others + count) / ((marked - count + 1) * (drawn - count + 1))
    return min(0.0, top + _geometric(ratio))


def log_hypergeometric_above(total: int, marked: int, drawn: int, count: int) -> float:
    """log2 P[more than ``count`` of ``marked`` things are among ``drawn`` of ``total``]."""
    # As many as are drawn too much are left out too few.
    return log_hypergeometric_up_to(total, marked, total - drawn, marked - count - 1)


def smallest(holds: Callable[[int], bool], start: int, stop: int) -> int:
    """Least integer from ``start`` on where a monotone condition holds; ``stop`` if none does."""
    low, step = start, 1
    while low < stop and not holds(low):
        start, low, step = low + 1, min(stop, low + step), 2 * step
    while start < low:
        middle = (start + low) // 2
        if holds(middle):
            low = middle
        else:
            start = middle + 1
    return low


def smallest_with(spare: Callable[[int], int], start: int, stop: int) -> int | None:
    """Integer from ``start`` on where ``spare``, nearly linear, is not negative; near the least.

    By secants and halving within a bracket, to one part in 4,096; ``None`` if there is none up to
    ``stop``.
    """
    low, under = start, spare(start)
    if under >= 0:
        return start
    high, over = start, under
    while over < 0:
        if high >= stop:
            return None
        low, under = high, over
        high = min(stop, high - 2 * over)
        over = spare(high)
    secant = True
    while high - low > max(1, high >> 12):
        middle = low + round((high - low) * -under / (over - under)) + (high >> 14)
        middle = min(high - 1, max(low + 1, middle)) if secant else (low + high) // 2
        secant = not secant
        found = spare(middle)
        if found >= 0:
            high, over = middle, found
        else:
            low, under = middle, found
    return high


def largest(value: Callable[[int, int], float], start: int, stop: int) -> float:
    """Largest value over start..stop, ``value(a, b)`` being a bound for all of a..b.

    Branch and bound down to 1,024th parts of start..stop; the result is itself a bound.
    """
    enough = (stop - start) >> 10
    parts = [(-value(start, stop), start, stop)]
    while True:
        bound, low, high = heapq.heappop(parts)
        if high - low <= enough:
            return -bound
        middle = (low + high) // 2
        heapq.heappush(parts, (-value(low, middle), low, middle))
        heapq.heappush(parts, (-value(middle + 1, high), middle + 1, high))


def _log_hypergeometric(total: int, marked: int, drawn: int, count: int) -> float:
    return (
        log_binomial(marked, count)
        + log_binomial(total - marked, drawn - count)
        - log_binomial(total, drawn)
    )


def _geometric(ratio: float) -> float:
    """Logarithm to base 2 of 1 + r + r² + …, without end."""
    return -math.log2(1 - ratio) if ratio < 1 else math.inf
