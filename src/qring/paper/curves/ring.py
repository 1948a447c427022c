"""Curves on what the ring moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ring import Classical, Superdense
from qring.ledger import Carrier, Phase
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.links import superdense
from qring.network.network import Network
from qring.network.noise import BellDiagonal
from qring.paper.curves.curve import GREY, INK, ORANGE, PURPLE, TEAL, Curve, Data
from qring.theory.capacity import (
    reed_solomon_bits_per_qubit,
    superdense_capacity,
    werner_weights,
)

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


_SHOWN = [0.82 + 0.0025 * k for k in range(72)] + [0.9995]


def _coded(_rng: np.random.Generator) -> Data:
    return {
        "fidelity": _SHOWN,
        "capacity": [superdense_capacity(werner_weights(f)) for f in _SHOWN],
        "coded": [_goodput(f, Coding(emulation=Emulation.CALIBRATED)) for f in _SHOWN],
        "bch": [_goodput(f, Coding(code=Code.BCH, emulation=Emulation.SAMPLED)) for f in _SHOWN],
        "reed-solomon": [reed_solomon_bits_per_qubit(f, 1e-12) for f in _SHOWN],
    }


def _goodput(fidelity: float, coding: Coding) -> float:
    """Payload bits an online carrier of a long message."""
    size = 1_000_000
    noise = BellDiagonal.werner(fidelity)
    run = Network(noise=noise, coding=coding).open(2, np.random.default_rng(0))
    run.link(superdense, 0, 1).carry(np.empty(size, np.uint8), 8 * size)
    account = run.ledger().totals
    forward = run.ledger().on(0, 1, Phase.ONLINE, Carrier.BIT)
    return 8 * size / (account.online_qubits + forward)


def _paint_coded(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    f = data["fidelity"]
    axes.plot(f, data["capacity"], color=INK, label="capacity")
    axes.plot(f, data["coded"], color=TEAL, label="LDPC and BCH, as run")
    axes.plot(f, data["bch"], color=PURPLE, label="BCH alone")
    axes.plot(f, data["reed-solomon"], color=GREY, label="Reed–Solomon, 255 bytes")
    axes.axhline(1, color=ORANGE, ls=":", lw=1.6)
    axes.text(0.9995, 0.97, "classical bits", ha="right", va="top", fontsize=9, color=ORANGE)
    axes.set(xlabel="fidelity of Werner pairs", ylabel="payload bits an online carrier",
             xlim=(0.82, 1.0), ylim=(0.4, 2.05))  # fmt: skip
    axes.legend(loc="upper left")


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
    Curve(
        id="coded-links",
        title="What noise leaves of the factor two",
        caption="Payload bits an online carrier of a long message over Werner pairs, with parity, "
        "checks and retransmissions. Steps: codes come in steps. LDPC losses at calibrated rates; "
        "where no code pays, plain classical bits go.",
        measure=_coded,
        paint=_paint_coded,
    ),
)
