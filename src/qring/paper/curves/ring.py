"""Curves on what the ring moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ring import Classical, Superdense
from qring.ledger import Carrier
from qring.paper.curves.curve import GREY, INK, ORANGE, TEAL, Curve, Data

__all__ = ["CURVES"]

_COORDS = 720  # divided by most n up to 16


def _factor_two(_rng: np.random.Generator) -> Data:
    workers = list(range(2, 17))
    bits, qubits = [], []
    for n in workers:
        rows = np.zeros((n, _COORDS), np.float32)
        needed = _COORDS * 32 * n  # what a cut around each worker must pass
        classical = all_reduce(rows, method=Classical()).ledger
        quantum = all_reduce(rows, method=Superdense()).ledger
        bits.append(classical.total(Carrier.BIT) / needed)
        qubits.append(quantum.totals.online_qubits / needed)
    return {
        "workers": [float(n) for n in workers],
        "bits": bits,
        "qubits": qubits,
        "ring": [2 * (n - 1) / n for n in workers],
    }


def _paint_factor_two(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    n, ring = data["workers"], np.array(data["ring"])
    axes.plot(n, ring, color=GREY)
    axes.plot(n, ring / 2, color=TEAL)
    axes.plot(n, data["bits"], "o", color=GREY, label="classical ring: bits")
    axes.plot(n, data["qubits"], "o", color=TEAL, label="superdense ring: qubits")
    axes.axhline(1, color=INK, ls=":", lw=1.3)
    axes.axhline(0.5, color=ORANGE, ls=":", lw=1.6)
    axes.text(16.2, 1.02, "cut bound, bits", ha="right", va="bottom", fontsize=9)
    axes.text(16.2, 0.52, "cut bound, qubits with pairs", ha="right", va="bottom", fontsize=9,
              color=ORANGE)  # fmt: skip
    axes.set(xlabel="workers", ylabel="carriers a worker sends, over bits it must pass",
             ylim=(0, 2.05), xlim=(1.5, 16.5))  # fmt: skip
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, 1.04), ncols=2)


CURVES = (
    Curve(
        id="factor-two",
        title="Half the carriers, twice the cut",
        caption="Online carriers a worker emits over the bits that must leave it. Dots: ledgers; "
        "lines: 2(n−1)/n and half of it. The two rings are a factor of two apart for every n; both "
        "leave their bound by the same slack, and touch it at n = 2 only.",
        measure=_factor_two,
        paint=_paint_factor_two,
    ),
)
