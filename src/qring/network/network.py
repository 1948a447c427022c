"""The network a protocol runs on: which noise each link has, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from qring.errors import InputError
from qring.ledger import Meter
from qring.network.ghz import GhzBatch, Words
from qring.network.links import Faults, Link, SuperdenseLink
from qring.network.noise import NOISELESS, PERFECT_QUBITS, BellDiagonal, QubitNoise
from qring.network.wiring import Wiring

__all__ = ["Network"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A simulated network.

    ``noise`` is that of every shared pair, unless ``noise_on`` names the directed link
    (src, dst). ``qubit_noise`` is that of every qubit of a GHZ state. Classical bits are
    noiseless. With ``record_faults`` the result carries every sampled error of a pair.
    """

    noise: BellDiagonal = NOISELESS
    noise_on: Mapping[tuple[int, int], BellDiagonal] = field(default_factory=dict)
    qubit_noise: QubitNoise = PERFECT_QUBITS
    record_faults: bool = False

    def noise_between(self, src: int, dst: int) -> BellDiagonal:
        """Noise of the pairs shared for messages from ``src`` to ``dst``."""
        return self.noise_on.get((src, dst), self.noise)

    @property
    def is_noiseless(self) -> bool:
        """Whether every pair is perfect."""
        parts = (self.noise, *self.noise_on.values())
        return all(part.error_probability == 0 for part in parts)

    def check_links(self, workers: int) -> None:
        """Raise :class:`InputError` if ``noise_on`` names a link that ``workers`` do not have."""
        for src, dst in self.noise_on:
            if not (0 <= src < workers and 0 <= dst < workers and src != dst):
                raise InputError(f"there is no link {src}→{dst} among {workers} workers")

    def pair_link(
        self,
        src: int,
        dst: int,
        *,
        meter: Meter,
        rng: np.random.Generator | None,
        faults: list[Faults] | None = None,
    ) -> Link:
        """Open the superdense link from ``src`` to ``dst``; it charges ``meter``."""
        kept = faults if self.record_faults else None
        return SuperdenseLink(
            src, dst, meter, noise=self.noise_between(src, dst), rng=rng, faults=kept
        )

    def ghz_batch(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        wiring: Wiring,
        rng: np.random.Generator,
    ) -> GhzBatch:
        """Share GHZ copies for coordinates whose words, mod 2^64, add up to ``total``."""
        return GhzBatch(
            total, words, workers=workers, noise=self.qubit_noise, wiring=wiring, rng=rng
        )
