"""The network a protocol runs on: which noise each link has, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qring.errors import InputError
from qring.network.noise import NOISELESS, PERFECT_QUBITS, BellDiagonal, QubitNoise

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
