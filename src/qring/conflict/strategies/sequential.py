"""Bayesian runs of adapted length that stop as soon as the evidence is enough, up to a cap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qring.conflict.finding import Decision, Engine, Evidence, Finding, check_task, log_odds
from qring.conflict.phases import cheapest
from qring.conflict.plane import Circuit
from qring.errors import InputError

__all__ = ["Sequential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequential:
    """Choose each run's passes by what it should tell; stop when one side is out of the question.

    A side is ruled out when its best likelihood falls below ``split``·error of the mixture's,
    which happens to the true side with probability at most ``split``·error (Ville). Beyond
    ``cap`` times the fixed design's passes, one run designed for the rest of the error decides.
    Worst-case error: bound. After every run worker 1 tells worker 0 one classical bit.
    Source: docs/mathematics/conflict.md; Robbins, Ann. Math. Stat. 41, 1397 (1970).
    """

    name = "sequential"
    split: float = 0.75
    cap: float = 6.0

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise InputError(f"the split of the error lies in (0, 1), not at {self.split}")
        if not self.cap > 0:
            raise InputError(f"the cap is a positive multiple of passes, not {self.cap}")

    def run(
        self, engine: Engine, *, margin: float, error: float, rng: np.random.Generator
    ) -> Finding:
        """Decide as soon as the evidence allows.

        Raises:
            InputError: a margin outside (0, 1), an error outside (0, ½), or too many passes.
        """
        check_task(margin, error)
        last = cheapest(margin, (1 - self.split) * error)
        longest = max(1, round(1.2 / margin))
        evidence = Evidence(margin, max(longest + 6, last.circuit.passes))
        limit, spent = self.cap * last.circuit.passes, 0
        decision = None
        while decision is None and spent < limit:
            circuit = _next(evidence, longest)
            spent += circuit.passes
            evidence.add(circuit, 1, engine.accepts(circuit, 1, rng))
            engine.courier.tell(1, 1)
            decision = _ruled(evidence, self.split * error)
        if decision is None:
            accepted = engine.accepts(last.circuit, 1, rng)
            evidence.add(last.circuit, 1, accepted)
            engine.courier.tell(1, 1)
            decision = Decision.ALIGNED if accepted else Decision.CONFLICTING
        return Finding(
            decision=decision,
            estimate=None,
            interval=evidence.interval(error),
            confidence=1 - error,
        )


def _ruled(evidence: Evidence, error: float) -> Decision | None:
    """The side that is left once the other is ruled out, if one is."""
    bar = evidence.log_mixture + math.log(error)
    aligned, conflicting = (evidence.peak(side) for side in Decision)
    if min(aligned, conflicting) >= bar:
        return None
    return Decision.ALIGNED if aligned > conflicting else Decision.CONFLICTING


def _next(evidence: Evidence, longest: int) -> Circuit:
    """The run that is expected to tell most about the side, a pass.

    A twentieth of what it tells about s is added: it breaks ties while the side hangs on a phase
    that is known only up to aliases.
    """
    circuits, yes, doubt, passes = _menu(longest, len(evidence.s), evidence.margin)
    weights = evidence.posterior
    aligned = np.where(evidence.s > 0, weights, 0.0)
    share = min(1 - 1e-12, max(1e-12, float(aligned.sum())))
    accepted = yes @ weights
    given_aligned, given_conflicting = yes @ aligned, yes @ (weights - aligned)
    about_side = (
        _entropy(accepted)
        - share * _entropy(given_aligned / share)
        - (1 - share) * _entropy(given_conflicting / (1 - share))
    )
    about_s = _entropy(accepted) - doubt @ weights
    return circuits[int(np.argmax((about_side + 0.05 * about_s) / passes))]


@lru_cache(maxsize=16)
def _menu(
    longest: int, points: int, margin: float
) -> tuple[tuple[Circuit, ...], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Plain runs up to about ``longest`` passes, no multiple of 2 or 3.

    With them, for every hypothesis, the probability to accept and its entropy; and the passes.
    """
    lengths, wanted = set(), 1.0
    while wanted <= longest:
        start = round(wanted)
        lengths.add(next(p for p in range(start, start + 6) if math.gcd(p, 6) == 1))
        wanted *= 1.35
    circuits = tuple(Circuit(passes=p) for p in sorted(lengths))
    yes = np.exp([log_odds(circuit, points, margin)[0] for circuit in circuits])
    return circuits, yes, _entropy(yes), np.array([float(c.passes) for c in circuits])


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy of a yes or no, in nats."""
    p = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-(p * np.log(p) + (1 - p) * np.log1p(-p)))
