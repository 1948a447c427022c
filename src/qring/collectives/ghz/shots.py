"""The paper's readout: estimate the total phase by counting parities in two quadratures.

Each word is one phase, 2π·x/2^B, so the copies needed grow as 4^B. Kept as the faithful
baseline; :mod:`~qring.collectives.ghz.digits` is the usable one.
Source: paper definition 1, theorem 1, remark 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from qring.collectives.ghz.readout import any_of, check_failure, check_visibility
from qring.errors import InputError
from qring.network.ghz import GhzBatch, Words

__all__ = ["Shots", "shots_needed"]

_MOST_COPIES = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Estimate the phase from as many copies as round to the right word but for ``failure``.

    Standing of the failure probability: asymptotic (a normal error of the phase), at the worst
    phase.
    """

    failure: float = 1e-6

    def __post_init__(self) -> None:
        check_failure(self.failure)

    @property
    def block(self) -> int:
        """Coordinates that are best read together."""
        return 1 << 14

    @property
    def standing(self) -> str:
        """Of the failure probability."""
        return "asymptotic"

    def wrong(self, coords: int, visibility: float) -> float:
        """Probability that any of ``coords`` sums is wrong, at most."""
        return any_of(coords, self.failure)

    def reserve(self, coords: int, sum_bits: int, visibility: float) -> int:
        """Copies that suffice, exactly."""
        return shots_needed(self.failure, visibility, sum_bits) // 2 * 2 * coords

    def read(self, batch: GhzBatch, sum_bits: int) -> Words:
        """Count parities of both quadratures, take the angle and round it to a word."""
        half = shots_needed(self.failure, batch.visibility, sum_bits) // 2
        scale = sum_bits - 1  # the digit at whose scale one word is 2π/2^B
        cosine, sine = 1 - 2 * batch.tally([scale], half)[0] / half
        words = np.rint(np.arctan2(sine, cosine) * (2**sum_bits / (2 * math.pi))).astype(np.int64)
        return np.asarray(words.view(np.uint64) & np.uint64((1 << sum_bits) - 1), np.uint64)


def shots_needed(failure: float, visibility: float, sum_bits: int) -> int:
    """Copies, half in each quadrature, for a phase error within half a step but for ``failure``.

    The angle of two estimated quadratures has variance at most 2/(N·V²), reached where one of
    them is extreme; N follows from σ = (π/2^B) / z.
    """
    z = -NormalDist().inv_cdf(failure / 2)
    sigma = math.pi / (1 << sum_bits) / z
    copies = 2 * math.ceil(1 / (check_visibility(visibility) * sigma) ** 2)
    if copies > _MOST_COPIES:
        raise InputError(
            f"counting shots for a {sum_bits}-bit sum takes {copies:.2g} copies a coordinate; "
            "choose smaller words, or the digit readout"
        )
    return copies
