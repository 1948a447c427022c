"""Pairs heralded by photons that meet half way: one click, or two.

Each node makes a photon that is entangled with its memory; both meet at a beam splitter with two
threshold detectors. A herald is a pattern in which exactly one detector clicks in each time bin:
one bin for a single click, two for two clicks (Barrett and Kok, PRA 71, 060310 (2005); the same
law holds for photons in two polarisations or two time bins that are measured in one go).

States follow from counting: photons that are lost leave their record in the environment, so only
terms in which the detectors absorb all that was emitted keep a phase. Standing: exact, for
threshold detectors, dark counts that are independent, and losses that do not depend on the bin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qring.network.generation.generated import (
    FIBRE_KM_PER_S,
    Generated,
    fibre_transmission,
    period_of,
)
from qring.network.noise import NOISELESS, BellDiagonal
from qring.validate import check_instance, check_probability, check_real, check_whole

__all__ = ["Heralded", "barrett_kok", "bell_measurement", "single_click"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heralded:
    """A link of two memories and a beam splitter half way between them.

    ``emission`` is the probability that a memory's photon enters the fibre, ``detection`` that a
    photon which arrives is seen, ``dark`` that a detector clicks by itself in a time bin;
    ``overlap`` is |⟨ψA|ψB⟩|² of the two photons, the visibility of their interference in
    coincidences; ``phase_visibility`` is what drifts of the phase between the arms leave of the
    contrast (a single click needs stable phases, two clicks do not). ``local`` is the noise of a
    pair from the memories' own operations. Attempts take ``trips`` times the light's travel over
    the whole length, or longer where the clock allows fewer ``attempts_per_s``.

    Raises:
        InputError: figures that cannot be.
    """

    fibre_km: float
    emission: float = 1.0
    detection: float = 1.0
    dark: float = 0.0
    overlap: float = 1.0
    phase_visibility: float = 1.0
    loss_db_per_km: float = 0.2
    trips: float = 1.0
    attempts_per_s: float | None = None
    modes: int = 1
    local: BellDiagonal = NOISELESS

    def __post_init__(self) -> None:
        for name in ("emission", "detection", "dark", "overlap", "phase_visibility"):
            check_probability(name, getattr(self, name))
        fibre_transmission(self.fibre_km, self.loss_db_per_km)
        check_real("trips", self.trips, above=0)
        check_whole("modes", self.modes, least=1)
        check_instance("local", self.local, BellDiagonal, "a BellDiagonal")
        period_of(self.attempts_per_s, self.signal_s)

    @property
    def arrival(self) -> float:
        """Probability η that a memory's photon is seen: emission, half the fibre, detector."""
        half = fibre_transmission(self.fibre_km / 2, self.loss_db_per_km)
        return self.emission * half * self.detection

    @property
    def signal_s(self) -> float:
        """Time that signals of an attempt take."""
        return self.trips * self.fibre_km / FIBRE_KM_PER_S

    @property
    def attempt_s(self) -> float:
        """Time of an attempt."""
        return period_of(self.attempts_per_s, self.signal_s)


def single_click(link: Heralded, *, bright: float) -> Generated:
    """One photon heralds: memories are excited with probability ``bright``, one click is kept.

    At small losses F ≈ 1 − bright and success ≈ 2·bright·η. Source: Cabrillo et al., PRA 59, 1025
    (1999); Bose et al., PRL 83, 5158 (1999).

    Raises:
        InputError: ``bright`` outside (0, 1).
    """
    check_probability("bright", bright, zero=False, one=False)
    eta, dark = link.arrival, link.dark
    one, none = 1 - dark, 2 * dark * (1 - dark)  # exactly one click of one photon, of no photon
    both_dim = (1 - bright) ** 2 * none
    # Of 01 and 10: the photon is seen, and its arm is known only by the photon's own shape.
    seen = 2 * bright * (1 - bright) * eta * one
    unseen = 2 * bright * (1 - bright) * (1 - eta) * none
    both_bright = bright**2 * (
        eta**2 * (1 + link.overlap) / 2 * one + 2 * eta * (1 - eta) * one + (1 - eta) ** 2 * none
    )
    contrast = math.sqrt(link.overlap) * link.phase_visibility
    return _generated(link, seen, unseen, both_dim + both_bright, contrast, link.attempt_s)


def bell_measurement(link: Heralded) -> Generated:
    """Two photons herald, measured in one go: success ½η² and a state that losses do not spoil.

    The rate at ``trips=4`` is that of SeQUeNCe's *single-heralded* protocol.
    """
    parts = _two_clicks(link)
    return _generated(link, *parts, link.overlap, link.attempt_s)


def barrett_kok(link: Heralded, *, second: float = 1.0) -> Generated:
    """Two photons herald, in two rounds: the second is tried only after a click in the first.

    State and success are those of :func:`bell_measurement`; the first round takes as long as an
    attempt there, the next one ``second`` of that, so the mean attempt 1 + second·P(one click in
    the first round). SeQUeNCe needs no negotiation before it: ``trips=4, second=0.75``.

    Raises:
        InputError: ``second`` is not positive.
    """
    check_real("second", second, above=0)
    eta, dark = link.arrival, link.dark
    one, none = 1 - dark, 2 * dark * (1 - dark)
    photon = eta * one + (1 - eta) * none
    two = eta**2 * (1 + link.overlap) / 2 * one + 2 * eta * (1 - eta) * one + (1 - eta) ** 2 * none
    first = none / 4 + photon / 2 + two / 4
    return _generated(link, *_two_clicks(link), link.overlap, link.attempt_s * (1 + second * first))


def _two_clicks(link: Heralded) -> tuple[float, float, float]:
    """Probabilities of a herald: opposite memories with and without a phase, and equal ones."""
    eta, dark = link.arrival, link.dark
    one, none = 1 - dark, 2 * dark * (1 - dark)
    both, either, neither = eta**2, 2 * eta * (1 - eta), (1 - eta) ** 2
    coherent = both * one**2 / 2
    lost = (either * one * none + neither * none**2) / 2
    bunched = (1 + link.overlap) / 2
    alike = (both * bunched * one * none + either * one * none + neither * none**2) / 2
    return coherent, lost, alike


def _generated(
    link: Heralded, coherent: float, incoherent: float, alike: float, contrast: float,
    attempt_s: float,
) -> Generated:  # fmt: skip
    """Opposite memories are Ψ±, alike ones Φ± without phase; a bit flip turns Ψ+ to Φ+."""
    success = coherent + incoherent + alike
    if success <= 0:
        noise = BellDiagonal.werner(0.25)
    else:
        good = (coherent * (1 + contrast) / 2 + incoherent / 2) / success
        flipped = (coherent * (1 - contrast) / 2 + incoherent / 2) / success
        noise = BellDiagonal(x=alike / success / 2, y=alike / success / 2, z=flipped)
        noise = noise.then(link.local) if good < 1 or link.local != NOISELESS else link.local
    return Generated(
        success=success, attempt_s=attempt_s, noise=noise, modes=link.modes,
        herald_s=link.fibre_km / FIBRE_KM_PER_S / 2,
    )  # fmt: skip
