"""Curves on conflict detection: both tests against their rivals."""

from __future__ import annotations

from typing import Any

import numpy as np

from qring.conflict.gap_ip import gap_ip
from qring.conflict.matching import AffinePairs
from qring.conflict.signs import HashedSigns
from qring.conflict.sketches import SketchKind, best_rival, rivals
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.conflict.tie_audit import tie_audit
from qring.conflict.tie_rivals import best_tie_rival
from qring.paper.curves.curve import GREY, INK, ORANGE, PURPLE, TEAL, Curve, Data
from qring.theory.separations import (
    crossover_margin,
    index_constant,
    johnson_lindenstrauss_constant,
    tie_index_bits,
)

__all__ = ["CURVES"]

_COORDS, _ERROR = 10**6, 0.1
_PASSES = 1.25  # passes·τ at error .1


def _gap(rng: np.random.Generator) -> Data:
    margins = [0.4, 0.2, 0.1, 0.05, 0.04]
    u, v = np.zeros(_COORDS, np.float32), np.zeros(_COORDS, np.float32)
    u[0] = v[0] = 1.0
    qubits, best, index = [], [], []
    for margin in margins:
        found = gap_ip(u, v, margin=margin, error=_ERROR, rng=rng, strategy=AncillaFree())
        qubits.append(float(found.qubits))
        costs = {rival.name: rival.bits for rival in rivals(_COORDS, margin, _ERROR)}
        best.append(float(best_rival(_COORDS, margin, _ERROR).bits))
        index.append(float(costs[SketchKind.INDEX]))
    return {"margins": margins, "qubits": qubits, "best": best, "index": index}


def _paint_gap(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    margins = np.geomspace(0.004, 0.45, 60)
    width = _COORDS.bit_length()
    limit, index = index_constant(_ERROR), index_constant(_ERROR, 16)
    axes.plot(margins, _PASSES * width / margins, color=TEAL)
    axes.plot(margins, limit / margins**2, color=GREY)
    axes.plot(margins, limit / 2 / margins**2, color=GREY, ls=":", lw=1.3)
    axes.plot(margins, index / margins**2, color=PURPLE, lw=1.4)
    words = 16 * johnson_lindenstrauss_constant(_ERROR) / margins**2
    axes.plot(margins, words, color=ORANGE, lw=1.4, label="projected words of 16 bits")
    axes.plot(data["margins"], data["best"], "s", color=GREY, label="best index sketch, bits")
    axes.plot(data["margins"], data["index"], "D", color=PURPLE, label="16-bit indices, bits")
    axes.plot(data["margins"], data["qubits"], "o", color=TEAL, label="quantum, qubits")
    for constant, colour in ((limit, GREY), (index, PURPLE)):
        crossing = crossover_margin(constant, _PASSES, _COORDS)
        axes.plot(crossing, constant / crossing**2, "o", ms=12, mfc="none", mec=colour, mew=1.6)
        axes.annotate(f"τ* = {crossing:.3f}", (crossing, constant / crossing**2), fontsize=9,
                      xytext=(9, -15), textcoords="offset points", color=colour)  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="margin τ", ylabel="carriers, d = 10⁶, error .1",
             xlim=(0.004, 0.45))  # fmt: skip
    axes.invert_xaxis()
    axes.legend(loc="upper left")


def _ties(rng: np.random.Generator) -> Data:
    sizes = [10**4, 10**5, 10**6, 10**7, 10**8, 10**9]
    qubits, bits = [], []
    for d in sizes:
        signs, ties = HashedSigns(d, seed=1), AffinePairs(coords=d, multiplier=7)
        found = tie_audit(signs, ties, epsilon=0.1, delta=0.05, rng=rng)
        qubits.append(float(found.qubits))
        bits.append(float(best_tie_rival(ties, 0.1, 0.05).bits))
    return {"coords": [float(d) for d in sizes], "qubits": qubits, "bits": bits}


def _paint_ties(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    d = np.array(data["coords"])
    sizes = np.geomspace(1e4, 1e9, 40)
    bits = [tie_index_bits(int(size), 2, 0.1, 0.05, 32) for size in sizes]
    axes.plot(sizes, bits, color=GREY)
    axes.plot(d, data["bits"], "s", color=GREY, label="one broadcast to all clients, bits")
    axes.plot(sizes, sizes, color=INK, ls=":", lw=1.3, label="all signs (the paper's rival), bits")
    for clients, shade in ((1, 1.0), (10, 0.65), (100, 0.4)):
        many = [clients * 100 * (int(size) - 1).bit_length() for size in sizes]
        axes.plot(sizes, many, color=TEAL, alpha=shade)
        axes.text(1.25e9, many[-1], f"{clients}", color=TEAL, va="center", fontsize=9)
    axes.plot(
        d, data["qubits"], "o", color=TEAL, label="phase states for 1, 10, 100 clients, qubits"
    )
    axes.set(xscale="log", yscale="log", xlabel="coordinates d",
             ylabel="carriers, ε = .1, δ = .05", ylim=(700, 3e9))  # fmt: skip
    axes.legend(loc="upper left")


CURVES = (
    Curve(
        id="gap-ip",
        title="Conflict of two gradients: qubits against bits",
        caption="Squares, diamonds, dots: costs of runs; lines: their laws for small τ. Rings mark "
        "crossovers: right of them, at smaller margins, quantum sends less. The grey line is the "
        "limit of long indices, which no protocol beats, interactive or not; dotted, the same "
        "dense-coded. Against projected words, the rival of theorem 4, the advantage would seem to "
        "begin at margins twenty times as large.",
        measure=_gap,
        paint=_paint_gap,
    ),
    Curve(
        id="tie-audit",
        title="Tied parameters: qubits against bits",
        caption="A perfect matching, 100 copies. States are sent to each client, one broadcast of "
        "the best classical sketch serves all: at 100 clients quantum wins from d ≈ 7·10⁸ on. Few "
        "large groups in place of pairs are cheaper for the sketch, and quantum loses.",
        measure=_ties,
        paint=_paint_ties,
    ),
)
