"""Reflection phases with which p passes decide GapIP about as well as p passes can.

The acceptance is a polynomial A of degree p in x = cos²θ that reflections reach only if it leaves
[0, 1] at x = 0 and x = 1. Wanted is small A where the vectors conflict, x ≤ x₋, and large A where
they align, x ≥ x₊. The best such A touches 0 and 1 at every ripple, which an exchange of
reference points finds (:func:`_exchange`, after Remez and Parks–McClellan); its touching points
are double roots, which make it easy to write A = |P|² and 1−A = (1−x)|Q|² with complex P, Q; and
these two come apart, one pass at a time, into phases (:func:`_peel`; Low and Chuang, PRL 118,
010501, 2017).

The share w of the reference coordinate is free as well: lowering it from the paper's ½ towards
(1+τ)/(3+τ), where s = −1 begins to look like s = −τ, spreads the angles apart and saves up to a
factor √(3/2) in passes. What is left of the choice balances the two errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.conflict.plane import Circuit
from qring.errors import InputError

__all__ = [
    "MAX_PASSES",
    "MIN_ERROR",
    "Design",
    "best_with",
    "cheapest",
    "check_margin",
    "lowest_reference",
]

MAX_PASSES = 501
"""Longest circuit that :func:`cheapest` tries to design."""

MIN_ERROR = 1e-8
"""Smallest error for which rounding cannot matter."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A circuit and its worst error over all inner products with |s| ≥ ``margin``."""

    circuit: Circuit
    margin: float
    worst_error: float


class _Ripples(NamedTuple):
    """Equiripple acceptance Σ c_k cos 2kθ, its errors, and the angles 2θ where it touches."""

    series: Vector
    miss: float  # 1 − A at most, where vectors align
    false_alarm: float  # A at most, where they conflict
    aligned: Vector
    conflicting: Vector


def lowest_reference(margin: float) -> float:
    """Smallest w at which no s ≤ −τ looks like an s > −τ: (1+τ)/(3+τ)."""
    return (1 + margin) / (3 + margin)


@lru_cache(maxsize=256)
def cheapest(margin: float, error: float) -> Design:
    """The shortest design with worst-case error at most ``error``; odd passes.

    Raises:
        InputError: it would take more than :data:`MAX_PASSES` passes.
    """
    check_margin(margin)
    if not MIN_ERROR <= error < 0.5:
        raise InputError(f"an error lies in [{MIN_ERROR}, 0.5), not at {error}")

    def worst(passes: int) -> float:
        if passes > MAX_PASSES:
            raise InputError(
                f"margin {margin} with error {error} takes more than {MAX_PASSES} passes in one "
                "run; raise either, or choose the strategy 'kitaev'"
            )
        design = best_with(passes, margin)
        return math.inf if design is None else design.worst_error

    # The log of the error falls about linearly in passes·τ: start below, and follow its slope.
    passes, wanted = _odd(0.4 * math.log(0.5 / error) / margin), math.log(0.5 / error)
    while (reached := worst(passes)) > error:
        gained = max(0.3 * wanted, math.log(0.5 / min(reached, 0.49)))
        passes = max(passes + 2, _odd(0.95 * passes * wanted / gained))
    while passes > 1 and worst(passes - 2) <= error:
        passes -= 2
    design = best_with(passes, margin)
    if design is None:
        raise InputError(f"no design of {passes} passes for margin {margin}")
    return design


@lru_cache(maxsize=512)
def best_with(passes: int, margin: float) -> Design | None:
    """The design of least worst-case error with an odd number of ``passes``, if there is one.

    There is none where so wide a margin leaves no room for so many ripples.

    Raises:
        InputError: an even number of passes, or a margin outside (0, 1).
    """
    if passes < 1 or passes % 2 == 0:
        raise InputError(f"phases are designed for an odd number of passes, not {passes}")
    check_margin(margin)
    balanced = _balance(passes, margin)
    if balanced is None:
        return None
    touches, ripples, reference = balanced
    phases = _peel(*_factors(ripples, touches), passes)
    circuit = Circuit(passes=passes, reference=reference, phases=tuple(phases.tolist()))
    return Design(circuit=circuit, margin=margin, worst_error=_worst(ripples))


def check_margin(margin: float) -> None:
    """Refuse a margin outside (0, 1).

    Raises:
        InputError: as said.
    """
    if not 0 < margin < 1:
        raise InputError(f"a margin lies between 0 and 1, both excluded, not at {margin}")


def _odd(number: float) -> int:
    return 2 * (int(number) // 2) + 1


# The polynomial ------------------------------------------------------------------------------


def _balance(passes: int, margin: float) -> tuple[int, _Ripples, float] | None:
    """Choose the zeros among conflicting vectors, and the w, of the least worst error."""
    lowest = lowest_reference(margin)
    # Ripples are spread about evenly over the angles, so most numbers of zeros need no trial.
    share = 1 - 2 * math.acos(lowest - (1 - lowest) * margin) / math.pi
    fewest = max(0, int(passes * share / 2) - 3)
    best = None
    for touches in range(fewest, (passes + 1) // 2):
        crossed, ripples, reference = _where_errors_agree(passes, touches, margin, lowest)
        if ripples is not None and (best is None or _worst(ripples) < _worst(best[1])):
            best = touches, ripples, reference
        if crossed:
            break  # more zeros would need a larger w
    return best


def _where_errors_agree(
    passes: int, touches: int, margin: float, lowest: float
) -> tuple[bool, _Ripples | None, float]:
    """Raise w until false alarms outweigh misses, then close in; False if they always do."""
    step, w = 0.3 / (passes + 2), lowest
    low: tuple[_Ripples, float] | None = None
    for _ in range(40):
        ripples = _exchange(passes, touches, margin, w) if w < 0.98 else None
        if ripples is not None:
            if ripples.false_alarm >= ripples.miss:
                if low is None:
                    return False, ripples, w
                return True, *_agree(passes, touches, margin, low, (ripples, w))
            low = ripples, w
        elif low is not None:
            return False, *low
        w += step
    return False, None, w


def _agree(
    passes: int,
    touches: int,
    margin: float,
    low: tuple[_Ripples, float],
    high: tuple[_Ripples, float],
) -> tuple[_Ripples, float]:
    """Between ``low`` (misses prevail) and ``high`` (false alarms) find where both agree.

    False position on the log of the errors' ratio, halving the weight of an end that stays.
    """
    left, right = _tilt(low[0]), _tilt(high[0])
    for _ in range(40):
        w = (low[1] * right - high[1] * left) / (right - left)
        ripples = _exchange(passes, touches, margin, w)
        if ripples is None:
            break
        tilt = _tilt(ripples)
        if tilt > 0:
            high, right, left = (ripples, w), tilt, left / 2
        else:
            low, left, right = (ripples, w), tilt, right / 2
        if abs(tilt) < 1e-7:
            break
    return min(low, high, key=lambda found: _worst(found[0]))


def _tilt(ripples: _Ripples) -> float:
    """Positive where false alarms prevail."""
    return math.log(ripples.false_alarm / ripples.miss)


def _worst(ripples: _Ripples) -> float:
    return max(ripples.miss, ripples.false_alarm)


def _exchange(passes: int, touches: int, margin: float, reference: float) -> _Ripples | None:
    """Equiripple A with ``touches`` inner zeros where vectors conflict; None if there is none.

    Works in the angle t = 2θ, where A is Σ c_k cos kt: aligned vectors at 0 ≤ t ≤ t₊, conflicting
    ones at t₋ ≤ t ≤ π. A is 1, 1−miss, 1, …, 1−miss from 0 to t₊, and false_alarm, 0, …, 0 from
    t₋ to π; all its p−1 inner extrema lie there, so it is monotone in between.
    """
    ones = (passes - 1) // 2 - touches
    edge_aligned = 2 * math.acos(reference + (1 - reference) * margin)
    edge_conflicting = 2 * math.acos(reference - (1 - reference) * margin)
    aligned = np.linspace(0, edge_aligned, 2 * ones + 2)
    conflicting = np.linspace(edge_conflicting, np.pi, 2 * touches + 2)
    harmonics = np.arange(passes + 1)
    for _ in range(40):
        points = np.concatenate([aligned, conflicting])
        system = np.zeros((len(points), passes + 3))
        system[:, : passes + 1] = np.cos(np.outer(points, harmonics))
        system[1 : 2 * ones + 2 : 2, passes + 1] = 1  # A + miss = 1
        system[2 * ones + 2 :: 2, passes + 2] = -1  # A − false_alarm = 0
        target = (np.arange(len(points)) < 2 * ones + 2).astype(np.float64)
        try:
            solution = np.linalg.solve(system, target)
        except np.linalg.LinAlgError:
            return None
        series: Vector = np.asarray(solution[:-2], np.float64)
        inner = _extrema(series)
        if len(inner) != passes - 1:
            return None
        moved_aligned = np.concatenate([[0], inner[: 2 * ones], [edge_aligned]])
        moved_conflicting = np.concatenate([[edge_conflicting], inner[2 * ones :], [np.pi]])
        shift = max(
            np.abs(moved_aligned - aligned).max(), np.abs(moved_conflicting - conflicting).max()
        )
        aligned, conflicting = np.sort(moved_aligned), np.sort(moved_conflicting)
        if shift < 1e-11:
            miss, false_alarm = solution[-2:]
            if miss > 0 and false_alarm > 0:
                return _Ripples(series, float(miss), float(false_alarm), aligned, conflicting)
            return None
    return None


def _extrema(series: Vector) -> Vector:
    """Angles in (0, π) where Σ c_k cos kt is extremal, ascending."""
    harmonics = np.arange(len(series))
    samples = 16 * len(series)
    slopes = -np.fft.rfft(harmonics * series, n=2 * samples).imag[1:-1]
    angles = np.arange(1, samples) * np.pi / samples
    turns = np.flatnonzero(slopes[:-1] * slopes[1:] < 0)
    fraction = slopes[turns] / (slopes[turns] - slopes[turns + 1])
    roots: Vector = angles[turns] + fraction * np.pi / samples
    for _ in range(3):
        grid = np.outer(roots, harmonics)
        bend = (np.cos(grid) * harmonics**2) @ series
        roots = roots - (np.sin(grid) * harmonics) @ series / np.where(bend == 0, 1, bend)
    return np.sort(roots)


# From the polynomial to phases ---------------------------------------------------------------


def _factors(
    ripples: _Ripples, touches: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Roots in x of P/cos θ and of Q: every double root once, one of every conjugate pair."""
    series = ripples.series
    rest = -series
    rest[0] += 1
    ones = len(ripples.aligned) // 2 - 1
    zeros_of_a, zeros_of_rest = _cos2(ripples.conflicting[1:-1:2]), _cos2(ripples.aligned[2:-1:2])
    return (
        np.concatenate([zeros_of_a, _upper_roots(series, ones)]),
        np.concatenate([zeros_of_rest, _upper_roots(rest, touches)]),
    )


def _cos2(angles: Vector) -> Vector:
    """Return x = cos²θ at t = 2θ."""
    return np.asarray((1 + np.cos(angles)) / 2)


def _upper_roots(series: Vector, count: int) -> NDArray[np.complex128]:
    """The ``count`` roots in x farthest above the real line, every other one conjugated.

    Which root of a conjugate pair is taken is free; alternating keeps the peeling stable.
    """
    roots = (np.polynomial.chebyshev.chebroots(series) + 1) / 2
    above = np.asarray(roots, np.complex128)[np.argsort(-roots.imag)][:count]
    above = above[np.argsort(above.real)]
    return np.where(np.arange(count) % 2 == 1, above, above.conj())


def _peel(roots_p: NDArray[np.complex128], roots_q: NDArray[np.complex128], passes: int) -> Vector:
    """Undo one pass after another; each time one phase lowers the degree by one."""
    theta = 2 * np.pi * (np.arange(4 * passes + 8) + 0.5) / (4 * passes + 8)
    cos, sin = np.cos(theta), np.sin(theta)
    x = cos**2
    own, rest = cos.astype(np.complex128), sin.astype(np.complex128)
    for root in roots_p:
        own = own * ((x - root) / abs(1 - root))  # |P| = 1 at x = 1
    for root in roots_q:
        rest = rest * ((x - root) / abs(root))  # |Q| = 1 at x = 0
    phases = np.zeros(passes)
    for degree in range(passes, 0, -1):
        wave = np.exp(-1j * degree * theta)
        phases[degree - 1] = np.angle((own * wave).mean() / (1j * (rest * wave).mean()))
        own = own * np.exp(-1j * phases[degree - 1])
        own, rest = cos * own + sin * rest, sin * own - cos * rest
    return phases[:-1]
