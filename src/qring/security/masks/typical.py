"""Number of error patterns that pass the tests of noisy copies, for privacy amplification to beat.

A level of digits has N copies. Let w bound its errors (copies on which a pair of workers
disagree) if at most c of T tests showed one. Errors of lower levels borrow into it: given these and
fair signs (the twirl), K places carry a digit that nothing is known of, and m ≤ μ(K) more are
wrong. So at most 2^C patterns are typical, C = max_κ [κ + log2 Vol(N−κ, μ(κ))], and a random
Toeplitz matrix that takes r = C + log2(…) words away leaves nothing of them. Bounds for any source;
tails are at most f/(1−ratio), both laws being log-concave. Source: ours; Hoeffding 1963 for
sampling without replacement.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Patterns", "ball_bits", "failures_allowed", "patterns", "undetected"]

_CELLS = 512
_LN2 = math.log(2)


class Patterns(NamedTuple):
    """``errors`` w and ``free`` α of a level, and ``bits`` C: log2 of its typical patterns."""

    errors: int
    free: int
    bits: float


@functools.lru_cache(maxsize=2048)
def patterns(words: int, tests: int, failures: int, a1: float, a2: float) -> Patterns:
    """Typical patterns of N = ``words`` digits but for tails of 2^−a1 and 2^−a2."""
    errors = _first(
        lambda w: undetected(tests + words, failures + w + 1, tests, failures) <= -a1 * _LN2, words
    )
    signs = _first(lambda m: _coins_above(errors, m) <= -a2 * _LN2, errors)
    either = min(words, errors + signs)
    overlap = _first(lambda m: _shared_above(words, either, errors, m) <= -a2 * _LN2, errors)
    free = _first(lambda m: _coins_above(overlap, m) <= -a2 * _LN2, overlap)
    most = min(words, errors + free)

    def bound(low: int, high: int) -> float:
        known = errors * low / words
        seen = math.floor(max(0.0, known - math.sqrt(2 * known * a2 * _LN2)))
        return high + ball_bits(words - low, errors + free - seen)

    # Upper ends of cells for κ, lower ones for the ball; cells about the largest are cut again.
    low, high = 0, most
    while True:
        size = max(1, (high - low) // _CELLS)
        cells = [(bound(k, min(high, k + size - 1)), k) for k in range(low, high + 1, size)]
        best, where = max(cells)
        if size == 1:
            return Patterns(errors, free, min(float(words), best))
        left = [k for value, k in cells if value > best - 2 * size]
        first, last = left[0], min(high, max(left[-1], where) + size - 1)
        if 2 * (last - first) > high - low:
            return Patterns(errors, free, min(float(words), best))
        low, high = first, last


def failures_allowed(tests: int, error: float, workers: int, abort: float) -> int:
    """c: disagreements that honest noise exceeds, for any pair, with probability ``abort``."""
    pairs = workers * (workers - 1) / 2
    wanted = math.log(abort / pairs)
    return _first(lambda c: _binomial_above(tests, error, c) <= wanted, tests)


def undetected(total: int, marked: int, drawn: int, count: int) -> float:
    """Ln P[at most ``count`` of ``marked`` copies are among ``drawn`` of ``total``], at most."""
    least = max(0, drawn + marked - total)
    if count < least:
        return -math.inf
    if count >= min(marked, drawn):
        return 0.0
    apart = (marked - count + 1) * (drawn - count + 1)
    ratio = count * (total - marked - drawn + count) / apart
    if ratio >= 1:
        return 0.0
    ways = _choose(marked, count) + _choose(total - marked, drawn - count) - _choose(total, drawn)
    return min(0.0, ways - math.log1p(-ratio))


def ball_bits(length: int, radius: int) -> float:
    """log2 of the words of ``length`` bits with at most ``radius`` ones, at most."""
    if 2 * radius >= length:
        return float(length)
    ratio = (length - radius + 1) / (length - 2 * radius + 1)
    return (_choose(length, radius) + math.log(ratio)) / _LN2


def _shared_above(total: int, marked: int, drawn: int, count: int) -> float:
    """Ln P[more than ``count`` of ``marked`` are among ``drawn`` of ``total``], at most."""
    return undetected(total, marked, total - drawn, marked - count - 1)


def _coins_above(coins: int, count: int) -> float:
    return _binomial_above(coins, 0.5, count)


def _binomial_above(trials: int, chance: float, count: int) -> float:
    first = count + 1
    if first > trials or chance == 0:
        return -math.inf
    ratio = (trials - first) / (first + 1) * chance / (1 - chance)
    if ratio >= 1:
        return 0.0
    ways = _choose(trials, first) + first * math.log(chance)
    ways += (trials - first) * math.log1p(-chance)
    return min(0.0, ways - math.log1p(-ratio))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _first(holds: Callable[[int], bool], stop: int) -> int:
    """Least number up to ``stop`` from which on a condition holds."""
    low, high = 0, stop
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
