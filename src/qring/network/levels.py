"""Carriers inside the hosts of a hierarchy."""

from __future__ import annotations

from dataclasses import dataclass

from qring.errors import InputError
from qring.network.noise import NOISELESS, BellDiagonal
from qring.validate import check_among, check_instance

__all__ = ["Inside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """Carriers between workers on one host: ``"classical"`` bits, or ``"superdense"`` qubits.

    ``noise`` is that of the pairs inside a host; classical bits are noiseless.

    Raises:
        InputError: another carrier, or noise on classical bits.
    """

    carrier: str = "classical"
    noise: BellDiagonal = NOISELESS

    def __post_init__(self) -> None:
        check_among("carrier", self.carrier, ("classical", "superdense"))
        check_instance("noise", self.noise, BellDiagonal, "a BellDiagonal")
        if self.carrier == "classical" and self.noise.error_probability > 0:
            raise InputError("classical bits are noiseless; drop the noise or use 'superdense'")
