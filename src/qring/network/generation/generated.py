"""Yield of a way to make pairs: probability of an attempt, rate, state."""

from __future__ import annotations

from dataclasses import dataclass

from qring.errors import InputError
from qring.network.noise import BellDiagonal
from qring.validate import check_flag, check_instance, check_probability, check_real, check_whole

__all__ = ["FIBRE_KM_PER_S", "Generated", "fibre_transmission", "period_of"]

FIBRE_KM_PER_S = 2e5
"""Speed of light in fibre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """Pairs of one link as they are made.

    ``success`` is the probability that an attempt is heralded; ``attempt_s`` the mean time of an
    attempt on one of ``modes`` that try independently; ``noise`` the state of a heralded pair,
    turned to Φ+; ``herald_s`` the time from a pair's birth until both ends know of it. Pairs that
    are ``post_selected`` exist only once they have been measured.

    Raises:
        InputError: figures that cannot be.
    """

    success: float
    attempt_s: float
    noise: BellDiagonal
    modes: int = 1
    herald_s: float = 0.0
    post_selected: bool = False

    def __post_init__(self) -> None:
        check_probability("the success probability of an attempt", self.success)
        check_real("attempt_s", self.attempt_s, above=0)
        check_real("herald_s", self.herald_s, least=0)
        check_whole("modes", self.modes, least=1)
        check_instance("noise", self.noise, BellDiagonal, "a BellDiagonal")
        check_flag("post_selected", self.post_selected)

    @property
    def pairs_per_s(self) -> float:
        """Mean rate: modes · success / attempt_s."""
        return self.modes * self.success / self.attempt_s

    @property
    def fidelity(self) -> float:
        """Of a pair at its birth."""
        return self.noise.fidelity


def fibre_transmission(fibre_km: float, loss_db_per_km: float = 0.2) -> float:
    """Probability that a photon comes through: 10^(−loss·length/10).

    Raises:
        InputError: a negative length or loss.
    """
    check_real("fibre_km", fibre_km, least=0)
    check_real("loss_db_per_km", loss_db_per_km, least=0)
    return float(10 ** (-loss_db_per_km * fibre_km / 10))


def period_of(attempts_per_s: float | None, signal_s: float) -> float:
    """Time of an attempt: that of its signals, or of the clock where this is longer.

    Raises:
        InputError: neither gives a time.
    """
    if attempts_per_s is not None:
        check_real("attempts_per_s", attempts_per_s, above=0)
        return max(signal_s, 1 / attempts_per_s)
    if signal_s <= 0:
        raise InputError("a link of length 0 takes no time to try: give attempts_per_s")
    return signal_s
