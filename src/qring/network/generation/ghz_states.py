"""GHZ states of many workers: from one source, or joined from pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qring.network.noise import BellDiagonal
from qring.validate import check_probability, check_real, check_whole

__all__ = ["GeneratedGhz", "fused_pairs", "source_star"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedGhz:
    """GHZ states as they are made: mean rate, noise of each worker's qubit, memories held.

    ``noises`` are Pauli laws, one a worker. ``memory_qubits`` is what all workers together hold
    while they wait; without memory all photons must arrive in one attempt.
    """

    states_per_s: float
    noises: tuple[BellDiagonal, ...]
    memory_qubits: int

    @property
    def visibility(self) -> float:
        """V that a readout may count on. Standing: exact if X and Y errors are equally likely."""
        return math.prod(1 - 2 * (noise.z + noise.y) for noise in self.noises)


def source_star(
    *, workers: int, attempts_per_s: float, made: float, arrivals: Sequence[float],
    noise: BellDiagonal,
) -> GeneratedGhz:  # fmt: skip
    """One source makes the state and sends a photon to every worker; all must arrive at once.

    ``made`` is the chance that an attempt makes the state, ``arrivals`` those of each photon,
    ``noise`` what each qubit suffers. The rate falls as the product of all arrivals.

    Raises:
        InputError: figures that cannot be.
    """
    check_whole("workers", workers, least=2)
    check_real("attempts_per_s", attempts_per_s, above=0)
    check_probability("made", made)
    check_whole("the number of arrivals", len(arrivals), least=workers, most=workers)
    for arrival in arrivals:
        check_probability("an arrival", arrival)
    return GeneratedGhz(
        states_per_s=attempts_per_s * made * math.prod(arrivals),
        noises=(noise,) * workers, memory_qubits=0,
    )  # fmt: skip


def fused_pairs(
    *, workers: int, success: float, attempt_s: float, fusion: float, pair: BellDiagonal
) -> GeneratedGhz:
    """Worker 0 shares a pair with every other and joins them by local operations.

    Links try side by side, each with ``success`` an attempt, and keep what they have; the state is
    ready when the slowest is: E[max of k geometrics] = Σ_j (−1)^(j+1)·C(k, j)/(1 − (1−p)^j)
    attempts. With probability 1 − ``fusion`` joining fails and all pairs are lost. A pair's error
    becomes the error of its worker's qubit. Decay while waiting is not included. Standing: exact.

    Raises:
        InputError: figures that cannot be.
    """
    check_whole("workers", workers, least=2)
    check_probability("success", success, zero=False)
    check_real("attempt_s", attempt_s, above=0)
    check_probability("fusion", fusion, zero=False)
    attempts = _slowest(workers - 1, success)
    return GeneratedGhz(
        states_per_s=fusion / (attempts * attempt_s),
        noises=(BellDiagonal(), *((pair,) * (workers - 1))), memory_qubits=2 * (workers - 1),
    )  # fmt: skip


def _slowest(links: int, success: float) -> float:
    """Mean attempts until all links have succeeded: Σ_t P(not all by t)."""
    if success == 1:
        return 1.0
    if links <= 20:
        return math.fsum(
            (-1) ** (j + 1) * math.comb(links, j) / -math.expm1(j * math.log1p(-success))
            for j in range(1, links + 1)
        )
    # The alternating sum cancels for many links: sum the tail instead, in steps of one attempt.
    total, failing = 0.0, 1.0
    while True:
        missing = -math.expm1(links * math.log1p(-failing)) if failing < 1 else 1.0
        total += missing
        if missing < 1e-12:
            return total
        failing *= 1 - success
