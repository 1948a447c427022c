"""Photon pairs by spontaneous parametric down-conversion, seen in coincidences."""

from __future__ import annotations

from qring.errors import InputError
from qring.network.generation.generated import Generated
from qring.network.noise import BellDiagonal
from qring.validate import check_probability, check_real, check_whole

__all__ = ["downconversion"]


def downconversion(
    *, mean_pairs: float, pulses_per_s: float, arrival_a: float, arrival_b: float,
    dark: float = 0.0, visibility: float = 1.0, channels: int = 1,
) -> Generated:  # fmt: skip
    """Coincidences of a pulsed source: of each end's two detectors exactly one clicks.

    The source squeezes two pairs of modes (two polarisations or time bins) with ``mean_pairs`` / 2
    photons each, so that more than one pair is made at times; ``arrival_a`` and ``arrival_b`` are
    the chances that a photon is seen at either end; ``visibility`` that of the analysers. The
    state treats all bases alike, so what coincidences tell is a Werner pair. It exists once
    photons were detected: ``post_selected``. Standing: exact for pure modes and threshold
    detectors. Source: Kok and Braunstein, PRA 61, 042304 (2000); the sums over thermal photon
    numbers are ours.

    Raises:
        InputError: figures that cannot be.
    """
    check_real("mean_pairs", mean_pairs, above=0)
    check_real("pulses_per_s", pulses_per_s, above=0)
    for name, value in (("arrival_a", arrival_a), ("arrival_b", arrival_b), ("dark", dark),
                        ("visibility", visibility)):  # fmt: skip
        check_probability(name, value)
    check_whole("channels", channels, least=1)
    mean = mean_pairs / 2

    def quiet(a: bool, b: bool) -> float:
        """No photon seen at the watched ends of one pair of modes, thermal in its number."""
        unseen = (1 - arrival_a if a else 1.0) * (1 - arrival_b if b else 1.0)
        return (1 / (1 + mean * (1 - unseen))) * (1 - dark) ** (a + b)

    none, left, right, both = (
        quiet(False, False), quiet(True, False), quiet(False, True), quiet(True, True),
    )  # fmt: skip
    # One click an end, both on the same pair of modes (right) or on different ones (wrong).
    click_both = none - left - right + both
    same = 2 * click_both * both
    different = 2 * (right - both) * (left - both)
    success = same + different
    if success <= 0:
        raise InputError("no coincidence is ever seen: raise mean_pairs or the arrivals")
    contrast = visibility * (same - different) / success
    fidelity = (1 + 3 * contrast) / 4
    return Generated(
        success=success, attempt_s=1 / pulses_per_s, modes=channels, post_selected=True,
        noise=BellDiagonal.werner(min(1.0, max(0.25, fidelity))),
    )  # fmt: skip
