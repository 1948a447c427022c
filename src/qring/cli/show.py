"""How figures are printed: tables with aligned columns, and a progress line on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

__all__ = ["count", "progress_line", "table"]


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


def progress_line(what: str) -> Callable[[int, int], None]:
    """Return a callback ``(done, total)`` that redraws one line on stderr, on terminals only."""

    def silent(done: int, total: int) -> None:
        pass

    def draw(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        bar = "█" * (20 * done // total) + "·" * (20 - 20 * done // total)
        print(f"\r{what} {bar} {done}/{total}", end=end, file=sys.stderr, flush=True)

    return draw if sys.stderr.isatty() else silent
