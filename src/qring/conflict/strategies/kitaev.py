"""The paper's route: Kitaev phase estimation on the Grover operator, controlled by an ancilla."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qring.conflict.finding import Decision, Engine, Finding, check_task

__all__ = ["Kitaev", "KitaevPlan", "misread", "shots_for"]

_TOLERANCE = math.pi / 3  # of the phase at every level: what keeps the levels consistent


@dataclass(frozen=True, slots=True, kw_only=True)
class KitaevPlan:
    """Powers of G, tests of each in both quadratures, and the threshold of |φ| in radians."""

    powers: NDArray[np.int64]
    shots: NDArray[np.int64]
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kitaev:
    """Estimate the eigenphase ±2θ by Hadamard tests of G, G², G⁴, … on one kept register.

    An estimate of 2^j·φ within π/3 at every level fixes φ within π/3 of the last level's power;
    the levels share the error, and the number of tests is from the exact binomial law. Every
    application is a round trip of q+1 qubits. Worst-case error: bound (a union over levels).
    Source: paper appendix D.4; Kimmel, Low and Yoder, PRA 92, 062315 (2015).
    """

    name = "kitaev"

    def run(
        self, engine: Engine, *, margin: float, error: float, rng: np.random.Generator
    ) -> Finding:
        """Decide by the estimate of the phase.

        Raises:
            InputError: a margin outside (0, 1), or an error outside (0, ½).
        """
        check_task(margin, error)
        plan = _plan(margin, error)
        zeros = engine.phase_run(rng).tests(plan.powers, plan.shots, rng)
        cosines, sines = (2 * counts / plan.shots - 1 for counts in zeros)
        phase = 0.0
        levels = zip(plan.powers.tolist(), np.arctan2(sines, cosines).tolist(), strict=True)
        for power, angle in levels:
            phase += math.remainder(angle - power * phase, math.tau) / power
        size = abs(math.remainder(phase, math.tau))
        radius = _TOLERANCE / float(plan.powers[-1])
        return Finding(
            decision=Decision.ALIGNED if size < plan.threshold else Decision.CONFLICTING,
            estimate=_inner_product(size),
            interval=(
                _inner_product(size + radius) if size + radius < math.pi else -1.0,
                _inner_product(size - radius) if size > radius else 1.0,
            ),
            confidence=1 - error,
        )


def _inner_product(phase: float) -> float:
    """Return s at φ = 2θ."""
    return max(-1.0, min(1.0, 2 * math.cos(phase / 2) - 1))


@lru_cache(maxsize=128)
def _plan(margin: float, error: float) -> KitaevPlan:
    aligned, conflicting = (2 * math.acos((1 + s) / 2) for s in (margin, -margin))
    levels = 1 + max(0, math.ceil(math.log2(2 * _TOLERANCE / (conflicting - aligned))))
    powers = 2 ** np.arange(levels)
    # Errors in proportion to the price of a test: long runs are repeated least.
    shares = error * powers / powers.sum()
    shots = np.array([shots_for(float(share)) for share in shares])
    return KitaevPlan(powers=powers, shots=shots, threshold=(aligned + conflicting) / 2)


@lru_cache(maxsize=1024)
def shots_for(error: float) -> int:
    """Fewest tests a quadrature that misread no phase by π/3 or more, but with ``error``."""
    high = 1
    while misread(high) > error:
        high *= 2
    low = high // 2  # not enough, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if misread(middle) <= error else (middle, high)
    return high


@lru_cache(maxsize=256)
def misread(shots: int) -> float:
    """Worst-case probability that ``shots`` tests a quadrature misread a phase by π/3 or more.

    Exact, on 49 phases of the eighth of a circle that symmetry leaves.
    """
    values = 2 * np.arange(shots + 1) / shots - 1
    read = np.arctan2(values[None, :], values[:, None])
    undecided = (values[None, :] == 0) & (values[:, None] == 0)
    worst = 0.0
    for phase in np.linspace(0, np.pi / 4, 49):
        off = np.abs(np.angle(np.exp(1j * (read - phase)))) >= _TOLERANCE - 1e-12
        law = np.outer(*(_binomial(shots, (1 + f(phase)) / 2) for f in (np.cos, np.sin)))
        worst = max(worst, float(law[off | undecided].sum()))
    return worst


def _binomial(trials: int, p: float) -> NDArray[np.float64]:
    """Probabilities of 0..trials successes."""
    k = np.arange(trials + 1)
    logs = np.array([math.lgamma(i + 1) for i in range(trials + 1)])
    with np.errstate(divide="ignore", invalid="ignore"):
        # 0·log 0 is 0
        up = np.where(k > 0, k * np.log(p), 0.0)
        down = np.where(k < trials, (trials - k) * np.log1p(-p), 0.0)
    return np.asarray(np.exp(logs[-1] - logs - logs[::-1] + up + down))
