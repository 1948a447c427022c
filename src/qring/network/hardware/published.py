"""Published hardware, as of November 2026. Each figure says where it was read, or that it was not.

Fidelities are those of pairs at birth, as Werner pairs unless a source gives more. Ranges run from
the worst to the best that the same kind of system has shown.
"""

from __future__ import annotations

import math

from qring.network.hardware.figure import Figure, Provenance
from qring.network.hardware.profile import FIGURES, Profile

__all__ = ["PUBLISHED"]

_READ, _SECOND, _UNVERIFIED = Provenance.READ, Provenance.SECOND_HAND, Provenance.UNVERIFIED
_ASSUMED, _DERIVED = Provenance.ASSUMED, Provenance.DERIVED

Stated = tuple[float, Provenance] | tuple[float, Provenance, float, float]


def _profile(
    name: str, title: str, source: str, date: str, *, post_selected: bool = False,
    assumptions: tuple[str, ...] = (), references: tuple[str, ...] = (), **stated: Stated,
) -> Profile:  # fmt: skip
    """A profile from (value, standing) or (value, standing, low, high) of each figure."""
    figures: dict[str, Figure] = {}
    for figure, (value, standing, *span) in stated.items():
        low, high = span if span else (None, None)
        figures[figure] = Figure(
            value=value, unit=FIGURES[figure][0], date=date, standing=standing,
            source="ours" if standing is _ASSUMED else source,
            low=low, high=high, good=high if high is not None and high < math.inf else None,
        )  # fmt: skip
    notes = (*assumptions, *_usual(figures, post_selected))
    return Profile(
        name=name, title=title, post_selected=post_selected, assumptions=notes,
        references=(source, *references), **figures,  # type: ignore[arg-type]
    )  # fmt: skip


def _usual(figures: dict[str, Figure], post_selected: bool) -> tuple[str, ...]:
    notes = ["pairs are Werner pairs at birth"]
    if "qubits_per_s" not in figures:
        notes.append("online qubits cross as fast as pairs allow: no source states their rate")
    stored = "t1_s" in figures or "t2_s" in figures
    if stored and "capacity_pairs" not in figures:
        notes.append("any number of pairs fits into memory; laboratories hold a handful")
    if stored and not post_selected and "t1_s" not in figures:
        notes.append("populations do not relax (T1 infinite)")
    return tuple(notes)


_FIGURES = (
    _profile(
        "ideal", "perfect pairs, at once and for ever", "ours", "2026",
        pairs_per_s=(math.inf, _ASSUMED), fidelity=(1.0, _ASSUMED), distance_km=(0.0, _ASSUMED),
        t1_s=(math.inf, _ASSUMED), t2_s=(math.inf, _ASSUMED),
        assumptions=("no hardware: the limit that superdense coding promises",),
    ),
    _profile(
        "nv", "NV centres, 2 m", "arXiv 1712.07567", "2018",
        pairs_per_s=(39.0, _UNVERIFIED, 1.0, 39.0), fidelity=(0.81, _UNVERIFIED, 0.5, 0.81),
        distance_km=(0.002, _READ), t2_s=(0.4, _DERIVED, 0.2, 10.0),
        assumptions=(
            "39 Hz and .81 were not reached together: mean F is above .5 once every 100 ms",
            "T2 of a qubit from a decoherence rate of 5 Hz of the pair",
        ),
    ),
    _profile(
        "nv-metro", "NV centres, 25 km deployed fibre", "arXiv 2404.03723", "2024",
        pairs_per_s=(0.022, _UNVERIFIED), fidelity=(0.534, _UNVERIFIED),
        distance_km=(25.0, _UNVERIFIED), t2_s=(0.4, _ASSUMED),
        assumptions=("memory as that of the profile nv",),
    ),
    _profile(
        "siv", "SiV centres, 35 km loop", "arXiv 2310.01316", "2024",
        pairs_per_s=(1.0, _UNVERIFIED), fidelity=(0.69, _UNVERIFIED), distance_km=(35.0, _READ),
        t2_s=(1.0, _UNVERIFIED), assumptions=("nuclear memory of about 1 s",),
    ),
    _profile(
        "ions-rate", "trapped Sr ions, best rate", "PRL 124, 110501 (2020)", "2020",
        pairs_per_s=(182.0, _UNVERIFIED, 4.5, 250.0), fidelity=(0.94, _UNVERIFIED, 0.9, 0.971),
        distance_km=(0.002, _UNVERIFIED), t2_s=(3600.0, _UNVERIFIED, 1.0, 7200.0),
        assumptions=("memory of an hour was shown for single ions elsewhere, not for these pairs",),
        references=("arXiv 2507.13320",),
    ),
    _profile(
        "ions-fidelity", "trapped Ba ions, best fidelity", "arXiv 2406.01761", "2024",
        pairs_per_s=(0.35, _UNVERIFIED, 0.35, 182.0), fidelity=(0.97, _READ, 0.9, 0.999),
        distance_km=(0.002, _UNVERIFIED), t2_s=(3600.0, _UNVERIFIED, 1.0, 7200.0),
        assumptions=("memory of an hour was shown for single ions elsewhere, not for these pairs",),
    ),
    _profile(
        "ion-modules", "two ion modules, 2 m", "arXiv 2407.00835", "2025",
        pairs_per_s=(9.7, _UNVERIFIED), fidelity=(0.969, _UNVERIFIED), distance_km=(0.002, _READ),
        t2_s=(10.0, _READ), assumptions=("pairs stored for about 10 s in arXiv 2506.14334",),
        references=("arXiv 2506.14334",),
    ),
    _profile(
        "ions-10km", "Ca ions, 10 km", "arXiv 2602.08472", "2026",
        pairs_per_s=(1 / 0.45, _SECOND), fidelity=(0.9, _ASSUMED), distance_km=(10.0, _SECOND),
        t2_s=(0.55, _SECOND), assumptions=("fidelity is not stated in what we could read",),
    ),
    _profile(
        "atoms", "neutral atoms, 33 km", "Nature 607, 69 (2022)", "2022",
        pairs_per_s=(0.01, _SECOND), fidelity=(0.622, _SECOND), distance_km=(33.0, _SECOND),
        t2_s=(0.3e-3, _ASSUMED), references=("quoted in Nature Communications 16, 57557-4 (2025)",),
    ),
    _profile(
        "quantum-dots", "hole spins in quantum dots", "arXiv 1702.03422", "2017",
        pairs_per_s=(7300.0, _UNVERIFIED), fidelity=(0.62, _UNVERIFIED),
        distance_km=(0.002, _ASSUMED), t2_s=(1e-6, _ASSUMED),
        assumptions=("spins keep their phase for microseconds at best",),
    ),
    _profile(
        "spdc", "SPDC time-bin pairs, 8 channels", "arXiv 2310.01804", "2023",
        pairs_per_s=(3.55e6, _READ), fidelity=(0.9955, _DERIVED), distance_km=(0.0, _ASSUMED),
        post_selected=True,
        assumptions=("visibility .994 and this rate were not reached together",
                     "F = (1 + 3·visibility)/4"),
    ),
    _profile(
        "fibre-time-bin", "time-bin pairs, 100 km fibre", "EPJ Quantum Technology 2024, 00267-5",
        "2024", pairs_per_s=(2.4e6, _READ), fidelity=(0.935, _READ, 0.935, 0.954),
        distance_km=(100.0, _READ), post_selected=True,
        assumptions=("2.4 MHz is the rate at the source, not of what arrives",),
    ),
    _profile(
        "metro", "polarisation pairs, 34 km metropolitan fibre", "PRX Quantum 5, 030330 (2024)",
        "2024", pairs_per_s=(5e5, _UNVERIFIED), fidelity=(0.98, _UNVERIFIED),
        distance_km=(34.0, _READ), post_selected=True, assumptions=("99.84 % uptime",),
    ),
    _profile(
        "berlin", "polarisation pairs, up to 60 km", "arXiv 2504.08927", "2025",
        pairs_per_s=(1e4, _ASSUMED), fidelity=(0.85, _READ, 0.85, 0.99), distance_km=(60.0, _READ),
        post_selected=True, assumptions=("fidelities are bounds; the rate is not stated",),
    ),
    _profile(
        "microwave", "superconducting circuits in one cryostat", "arXiv 1712.08593", "2018",
        pairs_per_s=(5e4, _READ, 1.25e4, 1e7), fidelity=(0.789, _READ, 0.7, 0.99),
        distance_km=(0.001, _ASSUMED), t1_s=(20e-6, _ASSUMED, 1e-5, 1e-3),
        t2_s=(20e-6, _ASSUMED, 1e-5, 1e-3),
        assumptions=("a SWAP of fidelity about .99 in less than 100 ns: arXiv 2407.16743",),
        references=("arXiv 2407.16743",),
    ),
    _profile(
        "microwave-30m", "superconducting circuits, 30 m cryogenic link", "Nature 617, 265 (2023)",
        "2023", pairs_per_s=(1.25e4, _UNVERIFIED), fidelity=(0.80, _UNVERIFIED),
        distance_km=(0.03, _SECOND), t1_s=(12e-6, _ASSUMED), t2_s=(12e-6, _ASSUMED),
        assumptions=("Bell parameter 2.0747",),
    ),
    _profile(
        "chip", "chip source of a vendor", "vendor page", "2025",
        pairs_per_s=(1e6, _SECOND), fidelity=(0.9, _ASSUMED), distance_km=(0.0, _ASSUMED),
        post_selected=True, assumptions=("the vendor gives no fidelity",),
    ),
    _profile(
        "photonic-fusion", "fusion on a photonic chip", "arXiv 2404.17570", "2024",
        pairs_per_s=(1e6, _ASSUMED), fidelity=(0.9972, _READ), distance_km=(0.0, _ASSUMED),
        post_selected=True, assumptions=("loss is excluded; the rate is not stated",),
    ),
)  # fmt: skip

PUBLISHED: dict[str, Profile] = {profile.name: profile for profile in _FIGURES}
"""Profiles by name."""
