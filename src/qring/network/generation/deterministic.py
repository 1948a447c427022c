"""Pairs made at every attempt: half an excitation is sent through a lossy line and caught."""

from __future__ import annotations

import math

from qring.network.generation.generated import Generated
from qring.network.noise import NOISELESS, BellDiagonal
from qring.validate import check_instance, check_probability, check_real

__all__ = ["deterministic"]


def deterministic(
    *, transmission: float, attempts_per_s: float, local: BellDiagonal = NOISELESS, modes: int = 1
) -> Generated:
    """Microwave photons between superconducting circuits: no herald, so losses are in the state.

    Half an excitation makes (|10⟩ + |01⟩)/√2; a loss of 1 − η leaves (1+η)/4 ± √η/2 on Ψ± and
    (1−η)/4 each on Φ±: F = (1+√η)²/4. Standing: exact. Source: Axline et al., Nat. Phys. 14, 705
    (2018), arXiv 1712.05832; Campagne-Ibarcq et al., PRL 120, 200501 (2018), arXiv 1712.05854.

    Raises:
        InputError: figures that cannot be.
    """
    check_probability("transmission", transmission)
    check_real("attempts_per_s", attempts_per_s, above=0)
    check_instance("local", local, BellDiagonal, "a BellDiagonal")
    phi, root = (1 - transmission) / 4, math.sqrt(transmission)
    noise = BellDiagonal(x=phi, y=phi, z=(1 + transmission) / 4 - root / 2 + 0.0)
    return Generated(
        success=1.0, attempt_s=1 / attempts_per_s, noise=noise.then(local), modes=modes
    )
