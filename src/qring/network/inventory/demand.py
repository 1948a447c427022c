"""Inventory under the demand of training: compute, use so many pairs, and so on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.network.inventory.arrivals import Arrivals
from qring.network.inventory.fates import Counts
from qring.network.inventory.inventory import Inventory
from qring.network.memory.decay import Decay
from qring.network.memory.policy import Memory
from qring.network.noise import BellDiagonal
from qring.validate import check_real, check_whole

__all__ = ["Steps", "serve_buffer", "serve_steps"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Steps of training, an entry a step.

    ``online_s`` from the barrier to the last pair's departure, pairs ``held`` at the barrier, mean
    age and mean fidelity of the pairs at their use.
    """

    online_s: NDArray[np.float64]
    held: NDArray[np.int64]
    mean_age_s: NDArray[np.float64]
    mean_fidelity: NDArray[np.float64]
    counts: Counts


def serve_steps(
    arrivals: Arrivals, memory: Memory, noise: BellDiagonal, *, pairs: int, compute_s: float,
    steps: int, qubits_per_s: float = math.inf, lead_s: float | None = None,
) -> Steps:  # fmt: skip
    """Simulate ``steps`` steps: compute, then use ``pairs`` pairs, as fast as both rates allow.

    With ``lead_s`` generation starts only so long before the barrier, which is known ahead.

    Raises:
        InputError: figures that cannot be.
    """
    check_whole("pairs", pairs, least=1)
    check_whole("steps", steps, least=1)
    check_real("compute_s", compute_s, least=0)
    spacing = 0.0 if qubits_per_s == math.inf else 1 / qubits_per_s
    inventory = Inventory(arrivals, memory, noise)
    online, ages, fidelities = np.empty(steps), np.empty(steps), np.empty(steps)
    held = np.empty(steps, np.int64)
    now = 0.0
    for step in range(steps):
        barrier = now + compute_s
        if lead_s is not None and lead_s < compute_s:
            arrivals.pause(barrier - lead_s)
        held[step] = inventory.advance(barrier)
        taken = inventory.take(pairs, barrier, spacing)
        now = float(taken.used_s[-1]) + spacing
        online[step] = now - barrier
        ages[step] = taken.ages_s.mean()
        fidelities[step] = inventory.laws(taken)[:, 0].mean()
    return Steps(online_s=online, held=held, mean_age_s=ages, mean_fidelity=fidelities,
                 counts=inventory.counts)  # fmt: skip


def serve_buffer(
    *, pairs_per_s: float, demands_per_s: float, decay: Decay, noise: BellDiagonal,
    purify_share: float, success_at: tuple[float, float], result_at: tuple[float, float],
    demands: int, rng: np.random.Generator,
) -> tuple[float, float]:  # fmt: skip
    """One good memory that buffers a Werner pair: availability, and mean fidelity when consumed.

    Pairs are born and asked for at random. One born while another is stored purifies it with
    probability ``purify_share``, else it is lost. Purifying a pair of fidelity F succeeds with
    s0 + s1·F (``success_at``) and leaves fidelity (r0 + r1·F) / (s0 + s1·F) (``result_at``), as
    every bilocal Clifford protocol does; a failure loses the stored pair. The model of Davies,
    Iñesta and Wehner, arXiv 2311.10052.
    """
    check_whole("demands", demands, least=1)
    total = pairs_per_s + demands_per_s
    stored: float | None = None
    shrink = 1 / decay.t2_s * 2 if decay.t2_s < math.inf else 0.0
    served, sum_fidelity, asked = 0, 0.0, 0
    (s0, s1), (r0, r1) = success_at, result_at
    fresh = noise.fidelity
    while asked < demands:
        waits = rng.exponential(1 / total, 4096)
        demanded = rng.random(4096) < demands_per_s / total
        tries, chances = rng.random(4096) < purify_share, rng.random(4096)
        for wait, asks, tried, chance in zip(waits, demanded, tries, chances, strict=True):
            if stored is not None:
                stored = 0.25 + (stored - 0.25) * math.exp(-shrink * wait)
            if asks:
                asked += 1
                if stored is not None:
                    served, sum_fidelity, stored = served + 1, sum_fidelity + stored, None
            elif stored is None:
                stored = fresh
            elif tried:
                success = s0 + s1 * stored
                stored = (r0 + r1 * stored) / success if chance < success else None
    return served / asked, sum_fidelity / max(1, served)
