"""Runs of geometrically growing, fixed length, read by maximum likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qring.conflict.finding import Decision, Engine, Evidence, Finding, check_task
from qring.conflict.plane import Circuit
from qring.errors import InputError

__all__ = ["MaximumLikelihood", "schedule"]

_LONGEST = 500  # beyond, the table of likelihoods takes gigabytes
_REACH = 0.85  # passes·τ of the longest run: long enough that few runs tell the sides apart


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumLikelihood:
    """Run a fixed schedule of lengths, each some times; the likeliest s decides.

    Nothing is adapted, so all runs could travel side by side. Shorter runs, which keep the longer
    ones from being misread, are cheap and repeated more often. Worst-case error: bound, by
    Chernoff's on a net of rival hypotheses. Source: docs/mathematics/conflict.md; Suzuki et al.,
    Quantum Inf. Process. 19, 75 (2020).
    """

    name = "maximum_likelihood"

    def run(
        self, engine: Engine, *, margin: float, error: float, rng: np.random.Generator
    ) -> Finding:
        """Decide by the sign of the likeliest inner product.

        Raises:
            InputError: a margin outside (0, 1), or an error outside (0, ½).
        """
        check_task(margin, error)
        circuits, shots = schedule(margin, error)
        evidence = Evidence(margin, circuits[-1].passes)
        for circuit, times in zip(circuits, shots, strict=True):
            evidence.add(circuit, times, engine.accepts(circuit, times, rng))
        aligned, conflicting = (evidence.peak(side) for side in Decision)
        return Finding(
            decision=Decision.ALIGNED if aligned > conflicting else Decision.CONFLICTING,
            estimate=float(evidence.s[int(np.argmax(evidence.log_likelihood))]),
            interval=evidence.interval(error),
            confidence=1 - error,
        )


@lru_cache(maxsize=128)
def schedule(margin: float, error: float) -> tuple[tuple[Circuit, ...], tuple[int, ...]]:
    """Circuits of growing length, and how often each is run: the fewest passes that suffice.

    Times fall linearly from the shortest run to the longest.
    """
    longest = _informative(max(1, round(_REACH / margin)))
    lengths, wanted = {1, longest}, longest / 2
    while wanted > 1.2:
        lengths.add(_informative(round(wanted)))
        wanted /= 2
    passes = np.array(sorted(lengths))
    if longest > _LONGEST:
        raise InputError(
            f"margin {margin:.3g} takes runs of {longest:,} passes, more than the {_LONGEST:,} "
            "whose likelihoods are weighed; raise it, or choose the strategy 'kitaev'"
        )
    closeness = _closeness(passes, margin)
    ranks = np.arange(len(passes))[::-1]
    best: tuple[int, NDArray[np.int64]] | None = None
    for step in np.arange(0, 20, 0.5):
        for base in range(1, 1 + 64 * math.ceil(math.log(1 / error))):
            shots = np.ceil(base + step * ranks).astype(np.int64)
            cost = int(shots @ passes)
            if best is not None and cost >= best[0]:
                break
            if float(np.exp(closeness @ shots).sum(axis=1).max()) <= error:
                best = cost, shots
                break
    if best is None:
        raise InputError(f"no schedule found for margin {margin} and error {error}; raise either")
    return tuple(Circuit(passes=int(p)) for p in passes), tuple(int(n) for n in best[1])


def _closeness(passes: NDArray[np.int64], margin: float) -> NDArray[np.float64]:
    """Log of the Bhattacharyya coefficient of one run: (true s, rival on the other side, run).

    Both sides share a shape because the net is mirrored at s = 0 where that exists, and padded
    with rivals that are never mistaken. Rivals are as far apart as the longest run can tell.
    """
    aligned, conflicting = math.acos((1 + margin) / 2), math.acos((1 - margin) / 2)
    fine, coarse = 0.1 / passes[-1], 0.5 / passes[-1]
    tables = []
    for true, rival in (
        (_net(aligned, 0, fine), _net(conflicting, math.pi / 2, coarse)),
        (_net(conflicting, math.pi / 2, fine), _net(aligned, 0, coarse)),
    ):
        here, there = (np.multiply.outer(angles, passes) for angles in (true, rival))
        # cos² and sin² of pθ: the coefficient is |cos cos'| + |sin sin'|
        same = np.abs(np.cos(here))[:, None] * np.abs(np.cos(there))[None]
        same += np.abs(np.sin(here))[:, None] * np.abs(np.sin(there))[None]
        tables.append(np.log(np.clip(same, 1e-300, 1)))
    width = max(table.shape[1] for table in tables)
    padded = [
        np.pad(t, ((0, 0), (0, width - t.shape[1]), (0, 0)), constant_values=-700.0) for t in tables
    ]
    return np.concatenate(padded)


def _net(edge: float, end: float, step: float) -> NDArray[np.float64]:
    """Angles from the margin's edge to the end of the range, about ``step`` apart."""
    return np.linspace(edge, end, 2 + int(abs(end - edge) / step))


def _informative(passes: int) -> int:
    """The closest odd length, no multiple of three, from ``passes`` on.

    Elsewhere cos²(pθ) has no slope at θ = π/3, or takes the same values on both sides of π/2.
    """
    return next(p for p in range(max(1, passes), passes + 6) if math.gcd(p, 6) == 1)
