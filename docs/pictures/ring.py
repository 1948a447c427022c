"""Draw ``ring.svg``: what one round of the ring looks like, and what the links were charged.

    python docs/pictures/ring.py

The bars are measured: a run of ``qring.all_reduce`` with four workers and 1,000 float32
coordinates, summed over both phases of the all-reduce.
"""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

import qring
from qring import Carrier, Ledger, Phase

INK, QUBIT, BIT, PAIR = "#1f2933", "#0f766e", "#9aa5b1", "#c2410c"
WORKERS, COORDS = 4, 1000


def draw_ring(axes: Axes) -> None:
    """Four workers; every link shows a message of two bits travelling as one qubit."""
    axes.set(xlim=(-1.75, 1.75), ylim=(-1.35, 1.35), aspect="equal")
    axes.axis("off")
    spots = [
        (math.sin(2 * math.pi * k / WORKERS), math.cos(2 * math.pi * k / WORKERS))
        for k in range(WORKERS)
    ]
    for k, (x, y) in enumerate(spots):
        nx, ny = spots[(k + 1) % WORKERS]
        axes.add_patch(
            FancyArrowPatch((x, y), (nx, ny), connectionstyle="arc3,rad=-0.32", shrinkA=21,
                            shrinkB=21, arrowstyle="-|>", mutation_scale=15, color=QUBIT, lw=2.2)
        )  # fmt: skip
        axes.add_patch(
            FancyArrowPatch((x, y), (nx, ny), connectionstyle="arc3,rad=0.0", shrinkA=21,
                            shrinkB=21, arrowstyle="-", linestyle=(0, (1, 2.2)), color=PAIR, lw=2)
        )  # fmt: skip
        middle = 2 * math.pi * (k + 0.5) / WORKERS
        axes.text(1.5 * math.sin(middle), 1.36 * math.cos(middle), "2 bits\n= 1 qubit",
                  ha="center", va="center", fontsize=9, color=QUBIT)  # fmt: skip
    for k, (x, y) in enumerate(spots):
        axes.add_patch(Circle((x, y), 0.27, facecolor="white", edgecolor=INK, lw=1.6, zorder=3))
        axes.text(x, y, f"worker\n{k}", ha="center", va="center", fontsize=7.5, color=INK, zorder=4)
    axes.text(0, 0, "pairs shared\nbeforehand", ha="center", va="center", fontsize=9, color=PAIR)


def draw_account(axes: Axes) -> None:
    """What the busiest link carried online and in setup, superdense against classical."""
    rows = np.random.default_rng(0).normal(size=(WORKERS, COORDS)).astype(np.float32)

    def ledger(method: qring.Superdense | qring.Classical) -> Ledger:
        return qring.all_reduce(rows, method=method).ledger

    quantum, classical = ledger(qring.Superdense()), ledger(qring.Classical())
    online = quantum.busiest(Phase.ONLINE, Carrier.QUBIT)
    setup = quantum.busiest(Phase.SETUP, Carrier.QUBIT)
    bits = classical.busiest(Phase.ONLINE, Carrier.BIT)
    bars = [
        ("online, classical", bits, BIT, "bits"),
        ("online, superdense", online, QUBIT, "qubits"),
        ("setup, superdense", setup, PAIR, "qubits"),
    ]
    for place, (label, amount, colour, unit) in enumerate(reversed(bars)):
        axes.barh(place, amount, color=colour, height=0.62)
        axes.text(amount + bits * 0.02, place, f"{amount:,} {unit}", va="center", fontsize=9)
        axes.text(-bits * 0.02, place, label, va="center", ha="right", fontsize=9)
    axes.set(xlim=(0, bits * 1.35), ylim=(-0.6, 2.6), xticks=[], yticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(
        f"one link, one all-reduce of {COORDS:,} float32\n(measured; half online, not in total)",
        fontsize=10,
        color=INK,
    )


def main() -> None:
    """Write the picture beside this script."""
    mpl.rcParams["svg.hashsalt"] = "qring"  # the same file on every run
    mpl.rcParams["font.family"] = "DejaVu Sans"
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.2, 3.9), gridspec_kw={"width_ratios": [1, 1.05], "wspace": 0.35}
    )
    draw_ring(left)
    draw_account(right)
    target = Path(__file__).with_suffix(".svg")
    figure.savefig(target, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
