"""Inputs of a GapIP strategy, and its finding."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qring.conflict.courier import Courier
from qring.conflict.plane import Circuit, acceptance
from qring.errors import InputError

__all__ = [
    "Decision",
    "Engine",
    "Evidence",
    "Finding",
    "PhaseRun",
    "Strategy",
    "check_task",
    "log_odds",
]


class Decision(str, Enum):
    """Side of the margin that two workers' vectors are on."""

    ALIGNED = "aligned"
    CONFLICTING = "conflicting"


class PhaseRun(Protocol):
    """Phase estimation on one register that is kept from test to test."""

    def tests(
        self, powers: NDArray[np.int64], shots: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Zeros among ``shots`` Hadamard tests of G^power, in the cosine and sine quadrature."""


class Engine(Protocol):
    """Something that runs circuits on the two workers' vectors and charges for the passes."""

    @property
    def courier(self) -> Courier:
        """Link kind that carries the register."""

    def accepts(self, circuit: Circuit, shots: int, rng: np.random.Generator) -> int:
        """Number of ``shots`` runs that accept."""

    def phase_run(self, rng: np.random.Generator) -> PhaseRun:
        """Prepare a register for phase estimation on the Grover operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A decision, an interval that holds s = ⟨u, v⟩ with ``confidence``, and an estimate of s.

    ``estimate`` is None where the runs tell a side: a mean over s would be the prior's, not theirs.
    """

    decision: Decision
    estimate: float | None
    interval: tuple[float, float]
    confidence: float
    caveats: tuple[str, ...] = ()


class Strategy(Protocol):
    """A way to decide GapIP: a frozen value that knows how to run itself."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    def run(
        self, engine: Engine, *, margin: float, error: float, rng: np.random.Generator
    ) -> Finding:
        """Decide whether s ≥ margin or s ≤ −margin, wrong with probability at most ``error``."""


def check_task(margin: float, error: float) -> None:
    """Refuse a margin outside (0, 1) or an error outside (0, ½).

    Raises:
        InputError: as said.
    """
    if not 0 < margin < 1:
        raise InputError(f"a margin lies between 0 and 1, both excluded, not at {margin}")
    if not 0 < error < 0.5:
        raise InputError(f"an error lies between 0 and 1/2, both excluded, not at {error}")


@lru_cache(maxsize=8)
def _hypotheses(points: int, margin: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner products, dense around 0, and the log of their weights.

    Half of the weight is uniform in the angle, half is spread around s = 0 on the scale of the
    margin, so that a finding near the margin pays little for the width of the rest.
    """
    angles = np.linspace(0, np.pi / 2, points)
    s = 2 * np.cos(angles) - 1
    s[-1] = -1.0
    near = 1 / (margin**2 + (angles - np.pi / 3) ** 2)
    weights = 0.5 / points + 0.5 * near / near.sum()
    return s, np.log(weights)


@dataclass(slots=True)
class Evidence:
    """The likelihood of every inner product, given the runs so far; any adaptive choice of runs.

    ``finest`` is the largest number of passes that will be used.
    """

    margin: float
    finest: int
    s: NDArray[np.float64] = field(init=False)
    log_likelihood: NDArray[np.float64] = field(init=False)
    _log_prior: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        points = 1 + 16 * math.ceil(max(self.finest, 4 / self.margin, 32))
        self.s, self._log_prior = _hypotheses(points, self.margin)
        self.log_likelihood = np.zeros(points)

    def add(self, circuit: Circuit, shots: int, accepted: int) -> None:
        """Take in ``accepted`` of ``shots`` runs."""
        yes, no = log_odds(circuit, len(self.s), self.margin)
        self.log_likelihood += accepted * yes + (shots - accepted) * no

    @property
    def log_mixture(self) -> float:
        """Log of the likelihood averaged over the prior.

        Its ratio to the likelihood of the true s is a martingale of mean 1, so it exceeds 1/α at
        any time with probability at most α (Ville; Robbins 1970).
        """
        joint = self.log_likelihood + self._log_prior
        top = float(joint.max())
        return top + math.log(float(np.exp(joint - top).sum()))

    def peak(self, side: Decision) -> float:
        """Largest log-likelihood among s ≥ margin, or s ≤ −margin."""
        inside = self.s >= self.margin if side is Decision.ALIGNED else self.s <= -self.margin
        return float(self.log_likelihood[inside].max())

    @property
    def posterior(self) -> NDArray[np.float64]:
        """Posterior probability of every hypothesis; they add up to one."""
        joint = self.log_likelihood + self._log_prior
        weights = np.exp(joint - joint.max())
        return np.asarray(weights / weights.sum())

    def interval(self, error: float) -> tuple[float, float]:
        """Smallest interval of s whose likelihood is above ``error`` times the mixture's."""
        kept = np.flatnonzero(self.log_likelihood >= math.log(error) + self.log_mixture)
        low, high = min(kept[-1] + 1, len(self.s) - 1), max(kept[0] - 1, 0)  # s falls with index
        return float(self.s[low]), float(self.s[high])


@lru_cache(maxsize=512)
def log_odds(
    circuit: Circuit, points: int, margin: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-probabilities that ``circuit`` accepts and rejects, for every hypothesis."""
    s, _ = _hypotheses(points, margin)
    accepted = np.clip(acceptance(circuit, s), 1e-12, 1 - 1e-12)
    return np.log(accepted), np.log1p(-accepted)
