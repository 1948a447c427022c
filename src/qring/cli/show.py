"""Printing of figures: tables with aligned columns, and a progress line on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from qring.ledger import Carrier, Ledger, Phase

__all__ = ["busiest", "busiest_link", "carriers", "count", "lifetime", "progress_line", "table"]


def count(number: int) -> str:
    """An exact integer with thousands separated."""
    return f"{number:,}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of text: first column to the left, the others to the right.

    The first row is the heading and is underlined.
    """
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def carriers(ledger: Ledger, phase: Phase) -> str:
    """Carriers of one phase over all links, as text with units."""
    return _amounts(ledger.total(Carrier.QUBIT, phase), ledger.total(Carrier.BIT, phase))


def busiest(ledger: Ledger) -> tuple[int, int]:
    """Qubits and bits online on the link that moves most carriers."""
    loads: dict[tuple[int, int], list[int]] = {}
    for entry in ledger:
        if entry.phase is Phase.ONLINE and entry.carrier is not Carrier.EBIT:
            load = loads.setdefault((entry.src, entry.dst), [0, 0])
            load[entry.carrier is Carrier.BIT] += entry.count
    qubits, bits = max(loads.values(), key=sum, default=[0, 0])
    return qubits, bits


def busiest_link(ledger: Ledger) -> str:
    """Online carriers of the busiest link, as text with units."""
    return _amounts(*busiest(ledger))


def lifetime(ledger: Ledger) -> str:
    """Qubits and bits sent in both phases, counted together."""
    totals = ledger.totals
    return count(totals.setup_qubits + totals.online_qubits + totals.classical_bits)


def _amounts(qubits: int, bits: int) -> str:
    parts = [f"{count(n)} {unit}" for n, unit in ((qubits, "qubits"), (bits, "bits")) if n]
    return " + ".join(parts) or "0"


def progress_line(what: str) -> Callable[[int, int], None]:
    """Return a callback ``(done, total)`` that redraws one line on stderr, on terminals only."""

    def silent(done: int, total: int) -> None:
        pass

    def draw(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        bar = "█" * (20 * done // total) + "·" * (20 - 20 * done // total)
        print(f"\r{what} {bar} {done}/{total}", end=end, file=sys.stderr, flush=True)

    return draw if sys.stderr.isatty() else silent
